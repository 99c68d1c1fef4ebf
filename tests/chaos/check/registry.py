"""Invariants of the registry during its faults, from the notes of that time."""

from collections.abc import Iterator

from tests.chaos.check.evidence import Evidence


def valid_credential_refused(evidence: Evidence) -> Iterator[str]:
    """The registry refused a valid credential while others sent wrong ones."""
    return _noted(evidence, "valid_credential_refused")


def silent_service_emptied(evidence: Evidence) -> Iterator[str]:
    """The registry emptied the list of a service only because heartbeats were missing."""
    return _noted(evidence, "silent_service_emptied")


def _noted(evidence: Evidence, invariant: str) -> Iterator[str]:
    return (row["text"] for row in evidence.of("registry") if row["invariant"] == invariant)
