"""Logs every request as one JSON line, and gives a sample to the parent process, which stores it.

The event loop only formats the line. A thread writes the lines, so no request waits for the output.
"""

import json
import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.edge.exchange import Exchange

log = logging.getLogger("gateway.requests")

MAX_QUEUED = 5_000
MAX_LINES = 50_000
STORED_PER_SECOND = 100
FLUSH_EVERY_S = 0.25
STDOUT = 1
PLAIN = re.compile(r"[A-Za-z0-9_.:/@-]*")
LINE = (
    b'%b%b.%06dZ%b%b","trace_id":"%b","span_id":"%b","method":"%b","path":"%b","route":"%b","status":%d,"duration_ms":%.2f,"client":"%b",'
    b'"user_id":"%b","upstream":"%b","retries":%d,"bytes_in":%d,"bytes_out":%d,"code":"%b"}\n'
)


class Entry(NamedTuple):
    """One request; ``at`` is Unix time."""

    at: float
    correlation_id: str
    method: str
    path: str
    route: str
    status: int
    duration_ms: float
    client: str
    user_id: str
    instance: str
    retries: int
    bytes_in: int
    bytes_out: int
    code: str


class RequestLog:
    """``store`` gets samples in batches: STORED_PER_SECOND requests a second, and all server errors while
    there is room. When it raises an error, the batch is dropped and counted.

    ``origin`` holds the fixed fields of each line; None writes no lines.
    """

    def __init__(
        self,
        store: Callable[[list[Entry]], None],
        *,
        origin: dict[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        output: Callable[[bytes], None] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._output = output or _to_stdout
        self._entries: deque[Entry] = deque()
        self._lines: deque[bytes] = deque()
        self._head, self._middle = _fixed_parts(origin) if origin is not None else (b"", b"")
        self._second = (0, b"")
        self._window = 0
        self._taken = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self.sampled_out = 0
        self.dropped = 0

    def add(self, exchange: Exchange, route: str, seconds: float, code: str) -> None:
        """Log an exchange that has ended."""
        now = time.time()
        if self._head:
            if len(self._lines) < MAX_LINES:
                self._lines.append(self._line(exchange, route, seconds * 1000, code, now))
            else:
                self.dropped += 1
        if self.wants(exchange.status):
            self.keep(entry_of(exchange, route, seconds * 1000, code, now))

    def wants(self, status: int) -> bool:
        """Whether to store a request with this status. Call it once for each request."""
        if status >= 500:
            return True
        window = int(self._clock())
        if window != self._window:
            self._window, self._taken = window, 0
        if self._taken >= STORED_PER_SECOND:
            self.sampled_out += 1
            return False
        self._taken += 1
        return True

    def keep(self, entry: Entry) -> None:
        if len(self._entries) >= MAX_QUEUED:
            self.dropped += 1
            return
        self._entries.append(entry)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write everything, then end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def flush(self) -> None:
        """Write the lines and store the sample."""
        lines = _emptied(self._lines)
        if lines:
            self._output(b"".join(lines))
        batch = _emptied(self._entries)
        if not batch:
            return
        try:
            self._store(batch)
        except Exception as error:  # an error of the storage must not end the log
            self.dropped += len(batch)
            log.warning("the request log cannot be stored: %s", error)

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_EVERY_S):
            self.flush()
        self.flush()

    def _line(self, exchange: Exchange, route: str, ms: float, code: str, now: float) -> bytes:
        second = int(now)
        if self._second[0] != second:
            self._second = (
                second,
                datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode(),
            )
        # The path of a request with a route holds no character that JSON escapes (edge/target.py).
        path = exchange.path if exchange.route is not None else _escaped(exchange.path.decode("latin-1"))
        principal, trace = exchange.principal, exchange.trace
        return LINE % (
            self._head,
            self._second[1],
            int((now - second) * 1_000_000),
            self._middle,
            exchange.correlation_id.encode(),
            b"" if trace is None else trace.trace_id.encode(),
            b"" if trace is None else trace.span_id.encode(),
            exchange.method.encode(),
            path,
            route.encode(),
            exchange.status,
            ms,
            exchange.client.encode(),
            b"" if principal is None else _escaped(principal.id),
            exchange.instance.encode(),
            exchange.retries,
            exchange.bytes_in,
            exchange.bytes_out,
            code.encode(),
        )


def entry_of(exchange: Exchange, route: str, ms: float, code: str, now: float) -> Entry:
    return Entry(
        at=now,
        correlation_id=exchange.correlation_id,
        method=exchange.method,
        path=exchange.path.decode("latin-1"),
        route=route,
        status=exchange.status,
        duration_ms=round(ms, 2),
        client=exchange.client,
        user_id=exchange.principal.id if exchange.principal is not None else "",
        instance=exchange.instance,
        retries=exchange.retries,
        bytes_in=exchange.bytes_in,
        bytes_out=exchange.bytes_out,
        code=code,
    )


def _fixed_parts(origin: dict[str, str]) -> tuple[bytes, bytes]:
    """The beginning of a line up to its time, and from there to its correlation id."""
    fixed = {"level": "info", **origin, "logger": log.name, "event": "request"}
    middle = json.dumps(fixed, separators=(",", ":"))[1:-1]
    return b'{"time":"', f'",{middle},"correlation_id":"'.encode()


@lru_cache(4096)  # users and addresses come again
def _escaped(text: str) -> bytes:
    return text.encode() if PLAIN.fullmatch(text) else json.dumps(text)[1:-1].encode()


def _emptied(queue: "deque[Any]") -> list[Any]:
    taken = []
    while queue:
        taken.append(queue.popleft())
    return taken


def _to_stdout(data: bytes) -> None:
    while data:
        try:
            data = data[os.write(STDOUT, data) :]
        except BlockingIOError:
            time.sleep(0.01)  # somebody has made the output non-blocking
        except OSError:
            return
