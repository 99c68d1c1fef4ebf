"""Reads the log files of all processes as one, merged in order of time, without reading them whole.

A place between two pages is a time with a count of lines.
"""

import heapq
import os
from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import takewhile
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

from atoll.dev import logblocks
from atoll.dev.loglines import Line, Parser, continued, read, sortable

# Several processes append to one file, each a little after the time that its line carries.
REORDERED_LINES = 500
REORDERED_S = 2.0
# Lines of a longer traceback have the time of the line behind it.
MAX_CONTINUING_LINES = 1_000
MAX_PAGE_BYTES = 16_000_000


@dataclass(frozen=True)
class Cursor:
    """A place between two lines: behind ``passed`` lines of one time, in the direction of reading."""

    time: str
    passed: int = 0


@dataclass(frozen=True)
class Page:
    """``lines``, oldest first. The cursors lead on; they are None where there is nothing more.

    ``is_cut``: the page ends because it has read `MAX_PAGE_BYTES`, and not because it is full.
    """

    lines: list[Line]
    older: Cursor | None
    newer: Cursor | None
    is_cut: bool = False


def history(
    files: Iterable[Path], wanted: Callable[[Line], bool], since: str | None = None
) -> Iterator[Line]:
    """All wanted complete lines of now, oldest first, with those of rotated files."""
    budget = logblocks.Budget(None)
    return filter(wanted, heapq.merge(*(_oldest_first(path, since or "", budget) for path in files)))


def newest(
    files: Iterable[Path],
    wanted: Callable[[Line], bool],
    count: int,
    *,
    before: Cursor | None = None,
    since: str | None = None,
    ends: Mapping[Path, int] | None = None,
    max_bytes: int = MAX_PAGE_BYTES,
) -> Page:
    """The newest wanted lines, or the newest ones before a place. Reads nothing that is older than ``since``.

    ``ends`` are places in files behind which nothing is read, 0 for files that they do not name.
    """
    budget = logblocks.Budget(max_bytes)
    limit = before.time if before else ""
    streams = [
        _newest_first(path, limit, None if ends is None else ends.get(path, 0), budget) for path in files
    ]
    merged: Iterator[Line] = heapq.merge(*streams, key=attrgetter("place"), reverse=True)
    if since:
        begin = sortable(since)
        merged = takewhile(lambda line: line.moment >= begin, merged)
    walk = _Walk(merged, wanted, count, before)
    found = walk.go()
    newer = walk.start if before else None
    return Page(found[::-1], walk.end, newer, walk.is_cut)


def oldest(
    files: Iterable[Path],
    wanted: Callable[[Line], bool],
    count: int,
    *,
    after: Cursor,
    until: str | None = None,
    max_bytes: int = MAX_PAGE_BYTES,
) -> Page:
    """The oldest wanted lines behind a place. Reads little that is later than ``until``."""
    budget = logblocks.Budget(max_bytes)
    merged: Iterator[Line] = heapq.merge(*(_oldest_first(path, after.time, budget) for path in files))
    if until:
        end = sortable(until)
        merged = takewhile(lambda line: line.moment <= end, merged)
    walk = _Walk(merged, wanted, count, after)
    found = walk.go()
    return Page(found, walk.start, walk.end, walk.is_cut)


class _Walk:
    """Goes over merged lines in one direction until it has ``count`` wanted ones.

    ``start`` and ``end`` are the cursors at both ends of the lines that it has looked at.
    """

    def __init__(
        self, lines: Iterator[Line], wanted: Callable[[Line], bool], count: int, begin: Cursor | None
    ) -> None:
        self._lines, self._wanted, self._count, self._begin = lines, wanted, count, begin
        self.start: Cursor | None = begin and Cursor(begin.time)
        self.end: Cursor | None = None
        self.is_cut = False

    def go(self) -> list[Line]:
        found: list[Line] = []
        try:
            for line in self._unpassed():
                if self._wanted(line):
                    found.append(line)
                    if len(found) == self._count:
                        break
            else:
                self.end = None
        except logblocks.Spent:
            self.is_cut = True
        return found

    def _unpassed(self) -> Iterator[Line]:
        """The lines behind the beginning. Counts the lines of one time, which the cursors need."""
        begin = sortable(self._begin.time) if self._begin else None
        to_pass = self._begin.passed if self._begin else 0
        of_this_time, of_first_time, first, is_first, current = 0, 0, "", True, None
        for line in self._lines:
            of_this_time = of_this_time + 1 if line.moment == current else 1
            current = line.moment
            if line.moment == begin and of_this_time <= to_pass:
                continue
            self.end = Cursor(line.time, of_this_time)
            if is_first:
                first, is_first = line.moment, False
            if line.moment == first:
                of_first_time += 1
                self.start = Cursor(line.time, of_first_time)
            yield line


def _newest_first(log: Path, before: str, end: int | None, budget: logblocks.Budget) -> Iterator[Line]:
    """The lines of one log up to the time ``before`` (empty: all), the newest first."""
    limit = sortable(before) if before else None
    with ExitStack() as stack:
        # All are opened before a rotation can rename one between two reads.
        files = logblocks.opened(log, stack)

        ends = [file.seek(0, os.SEEK_END) for file in files]
        if ends and end is not None:
            ends[0] = min(ends[0], end)
        if before:
            ends = _ends_before(files, ends, before)

        def raw_lines() -> Iterator[bytes]:
            for file, size in zip(files, ends, strict=True):
                yield from logblocks.backwards(file, size, budget)

        name = log.name.removesuffix(".log")
        lines = _with_lines_before(name, raw_lines(), lambda: logblocks.beginning(files))
        for line in _newest_in_order(lines):
            if limit is None or line.moment <= limit:
                yield line


def _ends_before(files: list[BinaryIO], ends: list[int], before: str) -> list[int]:
    """The places in the files of one log behind which all lines are later."""
    found = [
        logblocks.place_of(file, size, before, REORDERED_S, is_later=False)
        for file, size in zip(files, ends, strict=True)
    ]
    for number, size in enumerate(ends):
        if found[number] < size:
            # Newer files begin with lines that may continue the part behind the place.
            found[:number] = [0] * number
    return found


def _oldest_first(log: Path, after: str, budget: logblocks.Budget) -> Iterator[Line]:
    """The complete lines of one log from the time ``after`` (empty: all), the oldest first."""
    limit = sortable(after) if after else ""
    with ExitStack() as stack:
        files = logblocks.opened(log, stack)
        parse = Parser(log.name.removesuffix(".log"), logblocks.beginning(files))

        def lines() -> Iterator[Line]:
            for file in reversed(files):
                size = file.seek(0, os.SEEK_END)
                begin = logblocks.place_of(file, size, after, -REORDERED_S, is_later=True) if after else 0
                yield from map(parse, logblocks.forwards(file, begin, budget))

        for line in _oldest_in_order(lines()):
            if line.moment >= limit:
                yield line


def _with_lines_before(name: str, raw_lines: Iterable[bytes], beginning: Callable[[], str]) -> Iterator[Line]:
    """Parse lines that come newest first. A continuing line waits for the line that it continues."""
    waiting: list[Line] = []
    number, newer = 0, ""
    for raw in raw_lines:
        number -= 1
        line = read(name, number, raw)
        waiting.append(line)
        if line.time and line.level:
            yield from _continued(waiting, "")
            waiting, newer = [], line.time
        elif len(waiting) > MAX_CONTINUING_LINES:
            yield from _continued(waiting, newer or beginning())
            waiting = []
    yield from _continued(waiting, beginning() if waiting else "")


def _continued(waiting: list[Line], time: str) -> list[Line]:
    """``waiting`` comes newest first, and so does the answer. ``time`` is for lines that continue nothing."""
    before = Line(time, "", 0, "")
    lines = []
    for line in reversed(waiting):
        before = continued(line, before)
        lines.append(before)
    return lines[::-1]


def _newest_in_order(lines: Iterable[Line]) -> Iterator[Line]:
    """Lines that come nearly in the order from new to old, in that order."""
    held: list[Line] = []
    for line in lines:
        insort(held, line)
        while held[-1].seconds - line.seconds > REORDERED_S or len(held) > REORDERED_LINES:
            yield held.pop()
    yield from reversed(held)


def _oldest_in_order(lines: Iterable[Line]) -> Iterator[Line]:
    """The lines of one file by time, if each is at most REORDERED_S and REORDERED_LINES from its place."""
    held: list[Line] = []
    for line in lines:
        heapq.heappush(held, line)
        while line.seconds - held[0].seconds > REORDERED_S or len(held) > REORDERED_LINES:
            yield heapq.heappop(held)
    while held:
        yield heapq.heappop(held)
