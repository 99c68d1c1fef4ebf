"""Reads the log files of all processes as one: merged in time order, filtered, coloured."""

import heapq
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.text import Text

from atoll.dev.terminal import escaped

POLL_INTERVAL_S = 0.2
LEVEL_STYLES = {"debug": "dim", "info": "green", "warning": "yellow", "error": "red", "critical": "bold red"}
NAME_STYLES = ("cyan", "magenta", "blue", "green", "yellow", "bright_cyan", "bright_magenta", "bright_blue")
# Keys that a line shows first, or that are the same on every line of a file.
SHOWN_ALREADY = {"time", "level", "event", "service", "instance", "process", "logger", "correlation_id"}


@dataclass(frozen=True)
class Line:
    """One line of one file. ``fields`` is empty for an unstructured line (a traceback, an engine)."""

    time: str
    name: str
    number: int
    text: str
    fields: dict[str, Any]

    def __lt__(self, other: "Line") -> bool:
        return (self.time, self.name, self.number) < (other.time, other.name, other.number)


@dataclass(frozen=True)
class Wanted:
    correlation: str | None = None
    since: str | None = None

    def __call__(self, line: Line) -> bool:
        if self.since and line.time < self.since:
            return False
        if self.correlation is None:
            return True
        return _carries(line.fields, self.correlation) if line.fields else self.correlation in line.text


def _carries(value: Any, wanted: str) -> bool:
    """Whether a field, or one of the messages that a line lists, has this value."""
    if isinstance(value, dict | list):
        return any(_carries(part, wanted) for part in (value.values() if isinstance(value, dict) else value))
    return bool(value == wanted)


def merged(files: list[Path], wanted: Callable[[Line], bool]) -> Iterator[Line]:
    """All wanted lines of now, oldest first, with those of rotated files."""
    return heapq.merge(*(filter(wanted, _Reader(path).history()) for path in files))


class Follower:
    """Reads new lines of the files, also after a rotation."""

    def __init__(self, files: list[Path]) -> None:
        self._readers = [_Reader(path, at_end=True) for path in files]

    def fresh(self) -> list[Line]:
        """The complete lines since the last call, oldest first."""
        return sorted(line for reader in self._readers for line in reader.fresh())


def followed(follower: Follower, wanted: Callable[[Line], bool]) -> Iterator[Line]:
    """Every wanted line from now on, for ever."""
    while True:
        fresh = follower.fresh()
        yield from filter(wanted, fresh)
        if not fresh:
            time.sleep(POLL_INTERVAL_S)


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


def pretty(line: Line) -> Text:
    """A line for people. A value of several lines (a traceback) follows it, indented."""
    style = NAME_STYLES[sum(line.name.encode()) % len(NAME_STYLES)]
    text = Text.assemble((escaped(line.time[11:23]), "dim"), " ", (f"{escaped(line.name):<16}", style), " ")
    if not line.fields:
        return text.append(escaped(line.text))
    level = str(line.fields.get("level", ""))
    text.append(f"{escaped(level):<8}", LEVEL_STYLES.get(level, ""))
    text.append(escaped(line.fields.get("event", "")))
    below: list[str] = []
    for key, value in line.fields.items():
        if key in SHOWN_ALREADY:
            continue
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if "\n" in shown.rstrip("\n"):
            below += [f"{key}:", *shown.rstrip("\n").split("\n")]
        else:
            text.append(f" {escaped(key)}=", "dim").append(escaped(shown))
    if line.fields.get("correlation_id"):
        text.append(f" [{escaped(line.fields['correlation_id'])}]", "dim")
    for part in below:
        text.append("\n    | ", "dim").append(escaped(part))
    return text


class _Reader:
    def __init__(self, path: Path, *, at_end: bool = False) -> None:
        self.path = path
        self.offset = path.stat().st_size if at_end and path.exists() else 0
        self.unfinished = b""
        self.number = 0
        # A line without a time of its own belongs to the one before it.
        self.last_time = ""

    def history(self) -> Iterator[Line]:
        rotated = self.path.parent.glob(f"{self.path.name}.[0-9]*")
        for path in [*sorted(rotated, key=lambda p: -int(p.suffix[1:])), self.path]:
            if path.exists():
                with path.open("rb") as file:
                    for raw in file:
                        yield self._parse(raw)

    def fresh(self) -> list[Line]:
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return []
        if size < self.offset:
            self.offset, self.unfinished = 0, b""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            received = file.read()
        self.offset += len(received)
        *complete, self.unfinished = (self.unfinished + received).split(b"\n")
        return [self._parse(raw) for raw in complete]

    def _parse(self, raw: bytes) -> Line:
        text = raw.decode(errors="replace").rstrip("\n")
        self.number += 1
        fields: dict[str, Any] = {}
        if text.startswith("{"):
            try:
                fields = json.loads(text)
            except (ValueError, RecursionError):
                fields = {}
        moment = fields.get("time") or _engine_time(text) or self.last_time
        self.last_time = str(moment)
        return Line(self.last_time, self.path.name.removesuffix(".log"), self.number, text, fields)


def _engine_time(text: str) -> str | None:
    """PostgreSQL's ``2026-11-23 10:00:00.123 UTC [7] LOG: ...`` (its log_timezone is UTC)."""
    if text[4:5] == "-" and text[23:27] == " UTC":
        return f"{text[:10]}T{text[11:23]}Z"
    return None
