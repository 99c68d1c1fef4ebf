"""The permission that changing each section of the draft needs."""

from collections.abc import Callable
from typing import Any

from gateway.draft.changes import changes

NEEDED = {
    "routes": "gateway.change_route",
    "cors": "gateway.change_corssettings",
    "services": "gateway.change_service",
    "limits": "gateway.change_limitpolicy",
    "issuers": "gateway.change_issuer",
    "aggregates": "gateway.change_aggregate",
}


def forbidden(now: dict[str, Any], wanted: dict[str, Any], may: Callable[[str], bool]) -> list[str]:
    """The sections in which ``wanted`` differs from the draft of ``now``, and that the person may not change.

    Sections that ``wanted`` lacks stay as they are.
    """
    differing = {change.section for change in changes(now, now | wanted)}
    return sorted(section for section in differing if not may(NEEDED.get(section, "")))
