"""How the page shows a line: foreign text without control characters, and never more than a screen of it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from atoll.dev.loglines import Line, details
from atoll.dev.logpages import Cursor, Page
from atoll.dev.terminal import escaped
from registry.console.logs.asked import MAX_CHARACTERS, Asked

MAX_LINE_CHARACTERS = 6_000
# The end of an id tells more than its beginning, which is a time.
ID_CHARACTERS = 8
# Values of fields that tell nothing.
EMPTY = ("", "null", "[]", "{}")
# The ids that the page of a journey takes.
JOURNEY = re.compile(rf"[!-.0-~]{{1,{MAX_CHARACTERS}}}", re.ASCII)
# The lines of all processes so long before and after one.
AROUND = timedelta(seconds=2)


def list_of(page: Page, asked: Asked) -> str:
    """The part of the page with the lines and the ways to older and newer ones."""
    context: dict[str, Any] = {
        "rows": rows(page.lines, asked),
        "older": _link(asked, "before", page.older),
        "newer": _link(asked, "after", page.newer),
        "newest": "" if asked.is_live else f"?{asked.query(until='')}",
        "is_cut": page.is_cut,
        "reached": (page.newer if asked.after else page.older) if page.is_cut else None,
        "journey": _journey(asked.values["correlation"]),
    }
    return render_to_string("registry/console/logs_list.html", context)


def items(lines: list[Line], asked: Asked, left_out: int = 0) -> str:
    """Lines that are new, for a page that is open already."""
    context = {"rows": rows(lines, asked), "left_out": left_out}
    return render_to_string("registry/console/logs_rows.html", context)


def rows(lines: list[Line], asked: Asked) -> list[dict[str, Any]]:
    of_process = {name: f"?{asked.query(process=name)}" for name in {line.name for line in lines}}
    today = timezone.now().date().isoformat()
    return [_row(line, of_process[line.name], today) for line in lines]


def _row(line: Line, of_process: str, today: str) -> dict[str, Any]:
    left = MAX_LINE_CHARACTERS

    def shown(text: str) -> str:
        nonlocal left
        part = text[: max(left, 0)]
        left -= len(part)
        return escaped(part)

    beside, below = details(line)
    event = str(line.fields.get("event", "")) if line.fields else line.text
    first, _, rest = event.strip("\n").partition("\n")
    if rest:
        below.insert(0, ("event", rest))
    text = shown(first)
    beside = [(shown(key), shown(value)) for key, value in beside if value not in EMPTY and left > 0]
    below_text = "\n".join(shown(part) for _, value in below for part in value.split("\n") if left > 0)
    clock = line.time[11:23].removesuffix("Z")
    logger = str(line.fields.get("logger") or "")
    correlation = str(line.fields.get("correlation_id") or "")
    return {
        "place": f"{line.moment} {line.name}",
        "time": line.time,
        "clock": f"{line.time[5:10]} {clock}" if line.time[:10] != today else clock,
        "around": _around(line),
        "name": line.name,
        "of_process": of_process,
        "level": line.level,
        "continues": line.continues,
        "text": text,
        "fields": beside,
        "below": below_text,
        "is_cut": left <= 0,
        "origin": escaped(" · ".join(filter(None, (line.service, line.instance, logger)))[:MAX_CHARACTERS]),
        "correlation": escaped(correlation[:MAX_CHARACTERS]),
        "correlation_end": escaped(correlation[-ID_CHARACTERS:]),
        "journey": _journey(correlation),
    }


def _journey(correlation: str) -> str:
    """The page of the journey of a correlation id; empty for a text that can be none."""
    return reverse("console:journey", args=[correlation]) if JOURNEY.fullmatch(correlation) else ""


def _around(line: Line) -> str:
    """The query of the lines of all processes around this one; empty for a line without a time."""
    try:
        moment = datetime.fromtimestamp(line.seconds, UTC)
        begin, end = ((moment + step).isoformat(timespec="milliseconds") for step in (-AROUND, AROUND))
    except (ValueError, OverflowError):
        return ""
    return f"?since={begin.replace('+00:00', 'Z')}&until={end.replace('+00:00', 'Z')}"


def _link(asked: Asked, name: str, cursor: Cursor | None) -> str:
    if cursor is None:
        return ""
    query = asked.query()
    return f"?{query}{'&' if query else ''}{name}={cursor.time}~{cursor.passed}"
