"""docs/glossary.md is law: words that its terms replace do not come back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.references import ROOT, files, prose

HISTORY = {Path("CHANGELOG.md"), *(path for path in files() if path.parent == Path("docs/decisions"))}
# A pattern in prose, and the term that stands for it.
SYNONYMS = {
    r"\bdrain\w* (?:\w+ ){0,2}(?:backlog|queue|outbox)s?\b": "work on a backlog",
    r"\bbacklogs? (?:is|are) drained\b": "work on a backlog",
    r"\bprovider's (?:own )?ledger\b": "the provider's books",
    r"\bdead messages?\b": "dead letter",
    r"\bdead[- ]letter queues?\b": "dead letters",
    r"\bfailure groups?\b": "cause",
    r"\bweather\b": "transient errors, or conditions of the network",
    r"\bpresence\b": "worker registration",
    r"\bcourse of (?:an|the) order\b": "state machine",
    r"\bmending actions?\b": "compensation action",
}


def synonyms(text: str) -> Iterator[str]:
    for pattern, term in SYNONYMS.items():
        for found in re.finditer(pattern, text, re.IGNORECASE):
            yield f"{found[0]!r}: write {term!r}"


def test_prose_uses_the_terms_of_the_glossary():
    found = [
        f"{path}:{line} has {synonym}"
        for path in files()
        if path not in HISTORY
        for line, text in prose(path)
        for synonym in synonyms(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    "text", ["workers drain the old backlog", "a Backlog is drained", "the provider's own ledger"]
)
def test_a_synonym_is_found(text: str):
    assert list(synonyms(text))


def test_terms_stand_once_and_in_no_other_spelling():
    terms = re.findall(r"^- \*\*(.+?)\*\*:", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert len(terms) == len({term.lower() for term in terms})
