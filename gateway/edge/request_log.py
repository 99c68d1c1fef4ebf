"""Logs and stores requests in a thread of its own, so that no request waits for it.

The log takes at most ``PER_SECOND`` requests a second, and every server error while the queue has room.
Metrics count the others.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

log = logging.getLogger("gateway.requests")

MAX_QUEUED = 5_000
PER_SECOND = 100
FLUSH_EVERY_S = 0.5


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
    """``write`` stores a batch. When it raises an error, the batch is dropped and counted."""

    def __init__(
        self, write: Callable[[list[Entry]], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._clock = clock
        self._queue: deque[Entry] = deque()
        self._window = 0
        self._taken = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self.sampled_out = 0
        self.dropped = 0

    def wants(self, status: int) -> bool:
        """Whether to log a request with this status. Call it once for each request."""
        if status >= 500:
            return True
        window = int(self._clock())
        if window != self._window:
            self._window, self._taken = window, 0
        if self._taken >= PER_SECOND:
            self.sampled_out += 1
            return False
        self._taken += 1
        return True

    def add(self, entry: Entry) -> None:
        if len(self._queue) >= MAX_QUEUED:
            self.dropped += 1
            return
        self._queue.append(entry)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Write the queue, then end the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def flush(self) -> None:
        """Log and store the queue."""
        batch = []
        while self._queue:
            batch.append(self._queue.popleft())
        if not batch:
            return
        for entry in batch:
            log.info("request", extra=_fields(entry))
        try:
            self._write(batch)
        except Exception as error:  # an error of the database must not end the log
            self.dropped += len(batch)
            log.warning("the request log cannot be stored: %s", error)

    def _run(self) -> None:
        while not self._stopping.wait(FLUSH_EVERY_S):
            self.flush()
        self.flush()


def _fields(entry: Entry) -> dict[str, Any]:
    fields = entry._asdict()
    # In a log line, "instance" is the process that writes it.
    fields["upstream"] = fields.pop("instance")
    del fields["at"]
    return fields
