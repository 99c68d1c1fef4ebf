"""Parts above the figures of the admin's index page: what needs a person now."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db import Error, transaction
from django.http import HttpRequest

log = logging.getLogger(__name__)

Render = Callable[[HttpRequest], str]


@dataclass(frozen=True)
class _Part:
    render: Render
    permission: str


_parts: dict[str, _Part] = {}


def register_front_part(name: str, render: Render, *, permission: str) -> None:
    """Add a part to the index page, for accounts with ``permission``. ``render`` gives safe HTML or "".

    It runs at each visit, so it should cost one cheap query. Register in ``admin.py``; the name replaces
    an earlier part.
    """
    _parts[name] = _Part(render, permission)


def front_parts(request: HttpRequest) -> list[str]:
    """A part that cannot be computed is left out and logged."""
    found = []
    for name, part in _parts.items():
        if not request.user.has_perm(part.permission):
            continue
        try:
            with transaction.atomic():
                found.append(part.render(request))
        except Error:
            log.exception("a part of the index page cannot be computed", extra={"part": name})
    return [html for html in found if html]
