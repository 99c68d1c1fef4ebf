"""What must be true of the registry during the faults that aim at it, as it was noted then."""

from collections.abc import Iterator

from tests.chaos.check.evidence import Evidence


def valid_credential_refused(evidence: Evidence) -> Iterator[str]:
    """A valid credential was refused while others guessed."""
    return _noted(evidence, "valid_credential_refused")


def silent_service_emptied(evidence: Evidence) -> Iterator[str]:
    """Silence alone emptied the list of a service."""
    return _noted(evidence, "silent_service_emptied")


def _noted(evidence: Evidence, invariant: str) -> Iterator[str]:
    return (row["text"] for row in evidence.of("registry") if row["invariant"] == invariant)
