"""The documents name things that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")]
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")
CLAIMED = re.compile(r"(\w+): ((?:`[\w/]+(?:\.py|/)`(?:, | \([^)]*\), )?)+)")


def suite_folder(name: str) -> Path:
    if name in ("journeys", "contracts", "architecture"):
        return ROOT / "tests" / name
    homes = {"platform": ROOT / "platform" / "tests"}
    projects = [ROOT / "services" / name / "tests", ROOT / name / "tests"]
    return homes.get(name) or next(folder for folder in projects if folder.is_dir())


def claims() -> list[tuple[str, str]]:
    rows = [
        line for line in (ROOT / "GUARANTEES.md").read_text().splitlines() if re.match(r"\| [MOP]\d", line)
    ]
    found = []
    for row in rows:
        last = row.rstrip(" |").rsplit("|", 1)[-1]
        named = [
            (suite, place)
            for suite, places in CLAIMED.findall(last)
            for place in re.findall("`([^`]+)`", places)
        ]
        assert named, f"no test behind: {row}"
        found += named
    return found


@pytest.mark.parametrize(("suite", "place"), claims())
def test_the_test_behind_a_guarantee_exists(suite: str, place: str):
    assert (suite_folder(suite) / place).exists(), f"GUARANTEES.md names {place} of {suite}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path):
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), f"{document.relative_to(ROOT)} links to {target}"


def test_no_document_has_a_gap_left_to_fill():
    for document in DOCUMENTS:
        assert "@@" not in document.read_text(), f"{document.relative_to(ROOT)} still has a marker"
