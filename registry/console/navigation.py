"""The menu of the console. Each part registers its entry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True)
class Entry:
    title: str
    url_name: str
    place: int
    also: tuple[str, ...]
    may: Callable[[Any], bool]


_entries: dict[str, Entry] = {}


def register_entry(
    title: str,
    url_name: str,
    *,
    place: int,
    also: tuple[str, ...] = (),
    may: Callable[[Any], bool] = lambda user: True,
) -> None:
    """Add a page to the menu: ``register_entry("Logs", "console:logs", place=40)``.

    Entries stand in the order of their ``place``. The entry is marked as the current one on its own page and
    on the pages named in ``also``. Accounts for which ``may`` is false do not see it. Register in the module
    of the page; the ``url_name`` replaces an earlier entry.
    """
    _entries[url_name] = Entry(title, url_name, place, also, may)


def entries(request: HttpRequest) -> list[dict[str, Any]]:
    """``title``, ``url`` and ``is_current`` of every entry."""
    current = request.resolver_match.view_name if request.resolver_match else ""
    return [
        {
            "title": entry.title,
            "url": reverse(entry.url_name),
            "is_current": current == entry.url_name or current in entry.also,
        }
        for entry in sorted(_entries.values(), key=lambda entry: (entry.place, entry.title))
        if entry.may(request.user)
    ]
