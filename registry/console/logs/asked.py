"""Reads the filters of the page of logs from its address, and says which of them are wrong."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.http import QueryDict
from django.utils import timezone

from atoll import conf
from atoll.dev.loglines import LEVELS, Wanted, since, sortable
from atoll.dev.logpages import Cursor

MAX_CHARACTERS = 200
FILTERS = ("text", "process", "service", "instance", "level", "correlation", "since", "until")
CURSOR = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z)~(\d{1,7})", re.ASCII)


@dataclass
class Asked:
    """``values`` are the filters as the visitor wrote them. Without ``problems`` the rest can be used."""

    values: dict[str, str]
    wanted: Wanted
    files: list[Path]
    before: Cursor | None = None
    after: Cursor | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def is_live(self) -> bool:
        """Whether new lines belong on the page."""
        return not (self.before or self.after or self.wanted.until or self.problems)

    def query(self, **changed: str) -> str:
        """The query of a page with other filters; an empty value leaves one out."""
        query = QueryDict(mutable=True)
        query.update({name: value for name, value in (self.values | changed).items() if value})
        return query.urlencode()


def read(query: Mapping[str, str], files: Mapping[str, Path], now: datetime | None = None) -> Asked:
    """``files`` are the logs that there are. ``now`` is the time from which ``10m`` counts."""
    values = {name: query.get(name, "").strip() for name in FILTERS}
    problems: list[str] = []
    for name, value in values.items():
        if len(value) > MAX_CHARACTERS:
            problems.append(f"A filter has at most {MAX_CHARACTERS} characters.")
            values[name] = value[:MAX_CHARACTERS]

    def known(name: str, all_of_them: Collection[str]) -> None:
        if values[name] and values[name] not in all_of_them:
            named = ", ".join(sorted(all_of_them)) or "none"
            problems.append(f"There is no {name} “{values[name]}”. There are: {named}.")

    known("process", files)
    known("service", services())
    known("level", LEVELS)

    def moment(name: str) -> str | None:
        return _or_problem(lambda: since(values[name], now or timezone.now()), name, values, problems)

    def cursor(name: str) -> Cursor | None:
        text = query.get(name, "")
        found = CURSOR.fullmatch(text)
        if text and not found:
            problems.append("The place in this address is none. Begin with the newest lines.")
        return Cursor(found[1], int(found[2])) if found else None

    begin, end = moment("since"), moment("until")
    if begin and end and sortable(begin) > sortable(end):
        problems.append("The time “From” is later than the time “To”.")
    before, after = cursor("before"), cursor("after")
    if end and before is None and after is None:
        # Nothing later than the end is read.
        before = Cursor(end)
    wanted = Wanted(
        correlation=values["correlation"] or None,
        since=begin,
        until=end,
        level=values["level"] or None,
        text=values["text"] or None,
        service=values["service"] or None,
        instance=values["instance"] or None,
    )
    chosen = [path for name, path in files.items() if values["process"] in ("", name)]
    return Asked(values, wanted, chosen, before, after, problems)


def services() -> list[str]:
    """The names of all services on the wire."""
    return sorted(project.service for project in conf.projects().values())


def _or_problem(
    read_time: Callable[[], str], name: str, values: Mapping[str, str], problems: list[str]
) -> str | None:
    if not values[name]:
        return None
    try:
        return read_time()
    except ValueError:
        label = {"since": "From", "until": "To"}[name]
        problems.append(
            f"{label}: “{values[name]}” is no time. Write 10m, 2h or 1d for so long ago, or a time in UTC "
            "such as 2026-11-28T14:30."
        )
        return None
