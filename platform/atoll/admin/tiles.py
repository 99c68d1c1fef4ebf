"""Figures at the top of the admin's index page."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db import Error, transaction
from django.urls import NoReverseMatch, reverse

from atoll.admin.pages import permission_of

__all__ = ["Tile", "register_tile", "tiles"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tile:
    """A number on the front page. ``url`` leads to its list, where the reader may open it."""

    title: str
    value: str
    url: str | None
    is_alarming: bool


@dataclass(frozen=True)
class _Source:
    value: Callable[[], int | str]
    url_name: str | None
    query: str
    alarming: bool
    permission: str


_sources: dict[str, _Source] = {}


def register_tile(
    title: str,
    value: Callable[[], int | str],
    *,
    url_name: str | None = None,
    query: str = "",
    alarming: bool = False,
    permission: str = "",
) -> None:
    """Add a figure to the index page. It is computed at each visit, so it should cost one cheap query.

    ``url_name`` and ``query`` link to its rows: ``admin:orders_order_changelist`` and
    ``status=pending``. An ``alarming`` figure is red unless it is 0. Register in ``AppConfig.ready`` or
    ``admin.py``; the title replaces an earlier figure. Accounts that may see the linked list or page
    see the figure; ``permission`` is for a figure without a link.
    """
    _sources[title] = _Source(value, url_name, query, alarming, permission)


def tiles(may: Callable[[str], bool] = lambda permission: True) -> list[Tile]:
    """The figures for an account, whose permissions ``may`` tells."""
    return [_tile(title, source) for title, source in _sources.items() if _is_for(source, may)]


def _is_for(source: _Source, may: Callable[[str], bool]) -> bool:
    needed = source.permission or _permission(source.url_name)
    return not needed or may(needed)


def _permission(url_name: str | None) -> str:
    """The permission for the page that a tile links to; empty when it is open to all staff."""
    if url_name is None:
        return ""
    known = permission_of(url_name)
    if known is not None:
        return known
    place = url_name.removeprefix("admin:")
    if not place.endswith("_changelist"):
        return ""
    app_label, _underscore, model_name = place.removesuffix("_changelist").rpartition("_")
    return f"{app_label}.view_{model_name}"


def _tile(title: str, source: _Source) -> Tile:
    try:
        with transaction.atomic():
            value = source.value()
    except Error:
        log.exception("a figure of the index page cannot be computed", extra={"tile": title})
        return Tile(title, "–", None, True)
    shown = f"{value:,}" if isinstance(value, int) else value
    return Tile(title, shown, _url(source), source.alarming and value != 0)


def _url(source: _Source) -> str | None:
    if source.url_name is None:
        return None
    try:
        url = reverse(source.url_name)
    except NoReverseMatch:
        return None
    return f"{url}?{source.query}" if source.query else url
