"""Lines of log files: how a line is read, ordered and selected.

`manage.py logs` and the console's page of logs share these rules, the files are read by `atoll.dev.logpages`
and `atoll.dev.logtail`.
"""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

# Memory for one line. A longer line keeps its beginning.
MAX_LINE_BYTES = 65_536
LEVELS = ("debug", "info", "warning", "error", "critical")
# Words of PostgreSQL and marks of Valkey for levels.
ENGINE_LEVELS = {
    "DEBUG": "debug", "LOG": "info", "INFO": "info", "NOTICE": "info", "WARNING": "warning", "ERROR": "error",
    "FATAL": "critical", "PANIC": "critical", ".": "debug", "-": "debug", "*": "info", "#": "warning",
}  # fmt: skip
# The beginning of a line of `atoll.logs`; the whole line is decoded for those alone that are shown.
_OURS = re.compile(
    r'\{"time": "(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^"\\]{0,20})", "level": "([a-z]+)", '
    r'"service": "([^"\\]*)", "instance": "([^"\\]*)", '
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.:+Z-]{0,20}")
# ``2026-11-23 10:00:00.123 UTC [7] LOG: ...``: its log_timezone is UTC.
_POSTGRESQL = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) UTC (?:.{0,60}?\b([A-Z]+)[0-9]?: )?")
# ``1234:M 23 Nov 2026 10:00:00.123 * ...``: the time is that of the machine.
_VALKEY = re.compile(r"\d+:[A-Z] (\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3}) ([-.*#]) ")
# Keys that a line shows first, or that are the same on every line of a file.
SHOWN_ALREADY = {"time", "level", "event", "service", "instance", "process", "logger", "correlation_id"}
# For programs: people follow a correlation id.
HIDDEN = {"trace_id", "span_id"}
_WORD = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True)
class Line:
    """One line of the log of process ``name``.

    A line without a time of its own (a traceback, an engine) continues the line before it: it has that line's
    time, level and origin, and ``continues`` is true. ``number`` orders the lines of one file.
    """

    time: str
    name: str
    number: int
    text: str
    level: str = "info"
    service: str = ""
    instance: str = ""
    continues: bool = False

    def __lt__(self, other: "Line") -> bool:
        return self.place < other.place

    @cached_property
    def moment(self) -> str:
        return sortable(self.time)

    @cached_property
    def place(self) -> tuple[str, str, int]:
        """In the order of time over all files. A continuing line follows the line that it continues."""
        return (self.moment, self.name, self.number)

    @cached_property
    def seconds(self) -> float:
        """Its time since 1970; minus infinity without one."""
        try:
            return datetime.fromisoformat(self.time).timestamp()
        except ValueError:
            return float("-inf")

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Empty for an unstructured line."""
        return _decoded(self.text)

    @cached_property
    def shown(self) -> str:
        """The text that a search looks at: the event, then the fields as ``key=value``."""
        if not self.fields:
            return self.text
        fields = (f"{key}={_written(value)}" for key, value in self.fields.items() if key != "event")
        return " ".join([str(self.fields.get("event", "")), *fields])


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Selects lines. ``since`` and ``until`` are times as `since` gives them.

    ``level`` selects graver ones, too. ``text`` is looked for in `Line.shown`, without regard to case.
    """

    correlation: str | None = None
    since: str | None = None
    until: str | None = None
    level: str | None = None
    text: str | None = None
    service: str | None = None
    instance: str | None = None

    def __call__(self, line: Line) -> bool:
        return (
            not (self.since and line.moment < sortable(self.since))
            and not (self.until and line.moment > sortable(self.until))
            and not (self.level and LEVELS.index(line.level) < LEVELS.index(self.level))
            and not (self.service and line.service != self.service)
            and not (self.instance and line.instance != self.instance)
            and self._has_correlation(line)
            and self._has_text(line)
        )

    def _has_correlation(self, line: Line) -> bool:
        if self.correlation is None:
            return True
        # Ids are written without escapes, so most lines need no decoding.
        if self.correlation not in line.text:
            return False
        return _carries(line.fields, self.correlation) if line.fields else True

    def _has_text(self, line: Line) -> bool:
        if not self.text:
            return True
        if self._longest_word and self._longest_word not in line.text.lower():
            return False
        return self.text.lower() in line.shown.lower()

    @cached_property
    def _longest_word(self) -> str:
        """JSON writes these characters as they are, so a line without them needs no decoding."""
        return max(_WORD.findall((self.text or "").lower()), key=len, default="")


class Parser:
    """Reads the lines of one file in their order. ``time`` is for lines before the first one with a time."""

    def __init__(self, name: str, time: str) -> None:
        self._name = name
        self._number = 0
        self._before = Line(time, name, 0, "")

    def __call__(self, raw: bytes) -> Line:
        self._number += 1
        self._before = continued(read(self._name, self._number, raw), self._before)
        return self._before


def read(name: str, number: int, raw: bytes) -> Line:
    """A line by itself: time and level are empty when it has none of its own."""
    text = raw.decode(errors="replace").rstrip("\r\n")
    if (ours := _OURS.match(text)) and ours[2] in LEVELS:
        return Line(ours[1], name, number, text, ours[2], ours[3], ours[4])
    if text.startswith("{") and (fields := _decoded(text)):
        told, level = fields.get("time"), str(fields.get("level", "")).lower()
        time = told if isinstance(told, str) and _MOMENT.fullmatch(told) else ""
        origin = str(fields.get("service", "")), str(fields.get("instance", ""))
        return Line(time, name, number, text, level if level in LEVELS else "", *origin)
    if found := _POSTGRESQL.match(text):
        return Line(f"{found[1]}T{found[2]}Z", name, number, text, ENGINE_LEVELS.get(found[3] or "", ""))
    if found := _VALKEY.match(text):
        return Line(_local(found[1]), name, number, text, ENGINE_LEVELS[found[2]])
    return Line("", name, number, text, "")


def continued(line: Line, before: Line) -> Line:
    """The line, with what it lacks from the line before it."""
    if line.time and line.level:
        return line
    if line.time:
        return Line(line.time, line.name, line.number, line.text, before.level, line.service, line.instance)
    level = line.level or before.level
    return Line(before.time, line.name, line.number, line.text, level, before.service, before.instance, True)


def sortable(moment: str) -> str:
    """A time as text that sorts, with any number of digits after the second."""
    second, _dot, fraction = moment.removesuffix("Z").partition(".")
    return f"{second}.{fraction:0<9}"


def since(text: str, now: datetime | None = None) -> str:
    """``10m``, ``2h``, ``30s``, ``1d`` ago, or a time in RFC 3339; as log lines write it.

    Raises ValueError for any other text and for times that no calendar has.
    """
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    try:
        if text[-1:] in units and text[:-1].isdecimal():
            moment = (now or datetime.now(UTC)) - timedelta(seconds=int(text[:-1]) * units[text[-1]])
        else:
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(str(error)) from error
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def details(line: Line) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The fields of a line beside its event, and apart from them those of several lines (a traceback)."""
    beside: list[tuple[str, str]] = []
    below: list[tuple[str, str]] = []
    for key, value in line.fields.items():
        if key not in SHOWN_ALREADY and key not in HIDDEN:
            text = _written(value)
            (below if "\n" in text.rstrip("\n") else beside).append((key, text.rstrip("\n")))
    return beside, below


def _written(value: Any) -> str:
    """The value of a field, for people."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _carries(value: Any, wanted: str) -> bool:
    """Whether a field, or one of the messages that a line lists, has this value."""
    if isinstance(value, dict | list):
        return any(_carries(part, wanted) for part in (value.values() if isinstance(value, dict) else value))
    return bool(value == wanted)


def _decoded(text: str) -> dict[str, Any]:
    if not text.startswith("{"):
        return {}
    try:
        fields: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return fields


def _local(moment: str) -> str:
    """Valkey's time of the machine in UTC; empty for a time that no calendar has."""
    try:
        found = datetime.strptime(moment, "%d %b %Y %H:%M:%S.%f").astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return found.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
