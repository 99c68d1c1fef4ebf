"""Reads the files of one log in blocks: from a place forwards or backwards, and a place by its time.

A log is ``NAME.log`` with its rotated files ``NAME.log.1``, the newest, and so on. Lines are nearly in order
of time, so a place is found by halving.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from atoll.dev.logfiles import KEPT
from atoll.dev.loglines import MAX_LINE_BYTES, Line, read

BLOCK_BYTES = 65_536
# A log tells the time of its beginning within so many bytes.
MAX_BEGINNING_BYTES = 1_000_000


class Spent(Exception):
    """The page has read as much as it may."""


class Budget:
    def __init__(self, left_bytes: int | None) -> None:
        self._left_bytes = left_bytes

    def take(self, size: int) -> None:
        if self._left_bytes is None:
            return
        if self._left_bytes < size:
            raise Spent
        self._left_bytes -= size


def beginning(files: list[BinaryIO]) -> str:
    """The time of lines at the beginning of a log that have no line with a time before them: the first time
    behind them, else the time at which the log was written. ``files`` are those of the log, the newest first.
    """
    for file in reversed(files):
        for place, line in _lines_from(file, 0):
            if line.time:
                return line.time
            if place > MAX_BEGINNING_BYTES:
                break
    written_s = max((os.fstat(file.fileno()).st_mtime for file in files), default=0.0)
    written = datetime.fromtimestamp(written_s, UTC).isoformat(timespec="milliseconds")
    return f"{written.removesuffix('+00:00')}Z"


def opened(log: Path, stack: ExitStack) -> list[BinaryIO]:
    """The files of a log, the newest first."""
    names = [log.name, *(f"{log.name}.{number}" for number in range(1, KEPT + 1))]
    opened: list[BinaryIO] = []
    for name in names:
        try:
            opened.append(stack.enter_context(log.with_name(name).open("rb")))
        except FileNotFoundError:
            continue
    return opened


def place_of(file: BinaryIO, size: int, moment: str, slack_s: float, *, is_later: bool) -> int:
    """The beginning of a line, exact to a block: behind it lines are later than ``moment`` plus the slack.

    ``is_later`` says on which side a stretch without any time counts.
    """
    wanted_s = Line(moment, "", 0, "").seconds + slack_s
    if wanted_s == float("-inf"):  # a time that no calendar has
        return 0 if is_later else size
    low, high = 0, size
    # The lowest place, too, may be behind the wanted time.
    first = _timed_after(file, 0) if is_later else None
    if is_later and (first is None or first.seconds >= wanted_s):
        return 0
    while high - low > BLOCK_BYTES:
        middle = (low + high) // 2
        found = _timed_after(file, middle)
        if (found.seconds > wanted_s) if found else is_later:
            high = middle
        else:
            low = middle
    if is_later:
        return _line_begin(file, low, size)
    # Lines without a time belong to those before.
    return _timed_begin(file, _line_begin(file, high, size), size)


def _timed_after(file: BinaryIO, place: int) -> Line | None:
    """The first line at or behind a place that has a time of its own, within one block."""
    # The byte before tells whether a line begins at the place.
    file.seek(max(0, place - 1))
    lines = file.read(BLOCK_BYTES).split(b"\n")
    # The last part is not whole, and neither is the first one, unless it begins the file.
    for raw in lines[:-1] if place == 0 else lines[1:-1]:
        line = read("", 0, raw[:MAX_LINE_BYTES])
        if line.time:
            return line
    return None


def _timed_begin(file: BinaryIO, place: int, size: int) -> int:
    """The beginning of the first line with a time of its own at or behind the beginning of a line."""
    for at, line in _lines_from(file, place):
        if line.time or at >= size:
            return min(at, size)
    return size


def _lines_from(file: BinaryIO, place: int) -> Iterator[tuple[int, Line]]:
    """Each line with the place of its beginning, from the beginning of a line on."""
    file.seek(place)
    while part := file.readline(MAX_LINE_BYTES):
        yield place, read("", 0, part)
        place += len(part)
        while part and not part.endswith(b"\n"):
            part = file.readline(BLOCK_BYTES)
            place += len(part)


def _line_begin(file: BinaryIO, place: int, size: int) -> int:
    """The beginning of the first line at or behind a place, and at most ``size``."""
    if place <= 0 or place >= size:
        return max(0, min(place, size))
    file.seek(place - 1)
    while part := file.readline(BLOCK_BYTES):
        if part.endswith(b"\n"):
            break
    return min(file.tell(), size)


def backwards(file: BinaryIO, end: int, budget: Budget) -> Iterator[bytes]:
    """The complete lines before ``end``, the last one first, each cut to MAX_LINE_BYTES."""
    at, carry, is_unfinished = end, b"", True
    while at > 0:
        size = min(BLOCK_BYTES, at)
        budget.take(size)
        at -= size
        file.seek(at)
        block = file.read(size)
        if len(block) < size:  # emptied by a rotation meanwhile
            carry, is_unfinished = b"", True
            continue
        first, *rest = (block + carry).split(b"\n")
        if is_unfinished and rest:
            rest.pop()
            is_unfinished = False
        elif is_unfinished:
            first = b""
        for raw in reversed(rest):
            yield raw[:MAX_LINE_BYTES]
        carry = first[:MAX_LINE_BYTES]
    if not is_unfinished:
        yield carry


def forwards(file: BinaryIO, begin: int, budget: Budget) -> Iterator[bytes]:
    """The complete lines from ``begin``, each cut to MAX_LINE_BYTES."""
    file.seek(begin)
    while raw := file.readline(MAX_LINE_BYTES):
        part = raw
        while part and not part.endswith(b"\n"):
            part = file.readline(BLOCK_BYTES)
            budget.take(len(part))
        if not part:
            return
        budget.take(len(raw))
        yield raw
