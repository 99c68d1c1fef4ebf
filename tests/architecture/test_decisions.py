"""Every decision has a date and a status, and the index tells both."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
HEAD = re.compile(r"# (\d{4}: .+)\n\nDate: (\d{4}-\d\d-\d\d)\nStatus: (accepted|superseded)(.*)\n\n")
LINK = re.compile(r"\[(\d{4})\]\([^)]+\)")
ROW = re.compile(r"^\| \[(\d{4}: .+)\]\((.+)\) \| (\S+) \| (.+) \|$", re.MULTILINE)


def head(record: Path) -> tuple[str, str, str, str]:
    """Title, date, state, and the rest of the status."""
    found = HEAD.match(record.read_text())
    assert found, f"{record.name} begins with its title, a line Date: and a line Status:"
    return found[1], found[2], found[3], found[4]


def index() -> dict[str, tuple[str, str, str]]:
    rows = ROW.findall((FOLDER / "README.md").read_text())
    return {name: (title, date, status) for title, name, date, status in rows}


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem[:4])
def test_the_index_tells_title_date_and_status(record: Path):
    title, date, state, rest = head(record)
    assert title[:4] == record.name[:4]
    listed_title, listed_date, listed_status = index()[record.name]
    assert (listed_title, listed_date) == (title, date)
    newer = LINK.findall(rest)
    assert re.findall(r"\d{4}", listed_status) == newer
    assert listed_status.split()[0] == ("superseded" if newer else state)
    assert all(number > record.name[:4] for number in newer), "an older record supersedes no newer one"


def test_the_index_lists_nothing_else():
    assert set(index()) == {record.name for record in RECORDS}
