"""Reads log files from now on, as they grow, are rotated and appear."""

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from atoll.dev.loglines import MAX_LINE_BYTES, Line, Parser

POLL_INTERVAL_S = 0.2
# A look reads so much of a file; the next look goes on there.
MAX_FRESH_BYTES = 1_000_000


class Follower:
    """Reads new lines of the files, also after a rotation. ``listed`` is called at each look.

    A file that appears later is read from its beginning.
    """

    def __init__(self, listed: Callable[[], Iterable[Path]]) -> None:
        self._listed = listed
        self._tails = {path: _Tail(path, at_end=True) for path in listed()}

    def fresh(self) -> list[Line]:
        """The complete lines since the last call, oldest first."""
        for path in self._listed():
            if path not in self._tails:
                self._tails[path] = _Tail(path, at_end=False)
        return sorted(line for tail in self._tails.values() for line in tail.fresh())

    def ends(self) -> dict[Path, int]:
        """The end of the last complete line of each file that the follower has passed."""
        return {path: tail.offset - tail.unfinished_bytes for path, tail in self._tails.items()}


def followed(follower: Follower, wanted: Callable[[Line], bool]) -> Iterator[Line]:
    """Every wanted line from now on, for ever, in order of time.

    A line waits for one more look at the files: another process may have written an earlier line since.
    """
    held: list[Line] = []
    while True:
        fresh = follower.fresh()
        due, held = _due(held, fresh)
        yield from filter(wanted, due)
        time.sleep(POLL_INTERVAL_S)


def _due(held: list[Line], fresh: list[Line]) -> tuple[list[Line], list[Line]]:
    """The lines to show now, up to the last one that was seen before, and those to hold back."""
    if not held:
        return [], fresh
    last = max(held)
    both = sorted([*held, *fresh])
    due = [line for line in both if not last < line]
    return due, both[len(due) :]


class _Tail:
    def __init__(self, path: Path, *, at_end: bool) -> None:
        self.path = path
        self.offset = 0
        self.unfinished_bytes = 0
        self._unfinished = b""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._parse = Parser(path.name.removesuffix(".log"), f"{now.removesuffix('+00:00')}Z")
        if at_end:
            self._go_to_end()

    def fresh(self) -> list[Line]:
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                lines = self._rest_of_rotated() if size < self.offset else []
                file.seek(self.offset)
                received = file.read(min(MAX_FRESH_BYTES, size - self.offset))
        except FileNotFoundError:
            return []
        return [*lines, *self._complete(received)]

    def _go_to_end(self) -> None:
        """Behind the last complete line, so that a line that is being written is read whole."""
        try:
            with self.path.open("rb") as file:
                self.offset = file.seek(0, 2)
                begin = max(0, self.offset - MAX_LINE_BYTES)
                file.seek(begin)
                *complete, unfinished = file.read(MAX_LINE_BYTES).split(b"\n")
        except FileNotFoundError:
            return
        self.offset -= len(unfinished)
        # The next line may continue one of these.
        for raw in complete:
            self._parse(raw)

    def _rest_of_rotated(self) -> list[Line]:
        """The lines behind the offset that a rotation has moved to ``NAME.log.1``; then begin anew."""
        rest = b""
        try:
            with self.path.with_name(f"{self.path.name}.1").open("rb") as rotated:
                rotated.seek(self.offset)
                rest = rotated.read()
        except FileNotFoundError:
            pass
        lines = self._complete(rest)
        self.offset, self.unfinished_bytes, self._unfinished = 0, 0, b""
        return lines

    def _complete(self, received: bytes) -> list[Line]:
        self.offset += len(received)
        *complete, unfinished = (self._unfinished + received).split(b"\n")
        self.unfinished_bytes = len(unfinished) if complete else self.unfinished_bytes + len(received)
        self._unfinished = unfinished[:MAX_LINE_BYTES]
        return [self._parse(raw[:MAX_LINE_BYTES]) for raw in complete]
