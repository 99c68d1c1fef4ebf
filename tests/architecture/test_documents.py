"""The documents name things that exist."""

import re
from pathlib import Path

import pytest

from atoll.dev.suites import all_suites

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {suite.name: suite.folder for suite in all_suites()}
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")]
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#]+)")
CLAIMED = re.compile(r"(\w+): ((?:`[\w/]+(?:\.py|/)`(?:, | \([^)]*\), )?)+)")


def is_there(suite: str, place: str) -> bool:
    return any((FOLDERS[suite] / room / place).exists() for room in (".", "tests"))


def claims() -> list[tuple[str, str]]:
    rows = [
        line for line in (ROOT / "GUARANTEES.md").read_text().splitlines() if re.match(r"\| [MWOP]\d", line)
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
    assert is_there(suite, place), f"GUARANTEES.md names {place} of {suite}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(document: Path):
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), f"{document.relative_to(ROOT)} links to {target}"


def test_no_document_has_a_gap_left_to_fill():
    for document in DOCUMENTS:
        assert "@@" not in document.read_text(), f"{document.relative_to(ROOT)} still has a marker"
