"""Figures at the top of the admin's index page."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from django.db import Error, transaction
from django.urls import NoReverseMatch, reverse

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tile:
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


_sources: dict[str, _Source] = {}


def register_tile(
    title: str,
    value: Callable[[], int | str],
    *,
    url_name: str | None = None,
    query: str = "",
    alarming: bool = False,
) -> None:
    """A figure computed whenever the index page is opened, so it should cost one cheap query.

    ``url_name`` and ``query`` lead to the rows behind it: ``admin:orders_order_changelist``
    and ``status=pending``. An ``alarming`` figure is red unless it is 0. Register in
    ``AppConfig.ready`` or ``admin.py``; the title replaces an earlier one.
    """
    _sources[title] = _Source(value, url_name, query, alarming)


def tiles() -> list[Tile]:
    return [_tile(title, source) for title, source in _sources.items()]


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
