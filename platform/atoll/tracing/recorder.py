"""Keeps the finished spans of this process, until ``sender`` takes them.

Which spans leave the process is decided at their end:

    the trace is sampled          kept
    the span failed or was slow   kept, with what this process still has of its trace
    otherwise                     waits in a ring, in case that another process reports the trace as failed

Everything is bounded. A full queue drops spans and counts them; nothing waits for it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

# New traces that a process samples: so many a second in the long run, and a burst after a quiet time.
TRACES_PER_S = 2
BURST_S = 60
# Failed and slow spans of traces that are not sampled.
BAD_PER_S = 20
BAD_BURST_S = 10
SLOW_MS = 1000
MAX_QUEUED = 5_000
RING = 2_000


class Record(NamedTuple):
    """A finished span. Times are microseconds, ``started_us`` since 1970. ``error`` is empty without one."""

    trace_id: str
    span_id: str
    parent_id: str
    correlation_id: str
    name: str
    kind: str
    started_us: int
    duration_us: int
    error: str
    sampled: bool
    attributes: Mapping[str, Any]

    def spans(self) -> "Iterable[Record]":
        return (self,)


class Holdable(Protocol):
    """Spans of one trace that are made when they are wanted."""

    trace_id: str
    started_us: int

    def spans(self) -> Iterable[Record]: ...


class Allowance:
    """A token bucket: ``per_s`` in the long run, ``per_s * burst_s`` at once."""

    def __init__(self, per_s: float, burst_s: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._most = per_s * burst_s
        self._clock = clock
        self._left = self._most
        self._at = clock()

    def take(self) -> bool:
        now = self._clock()
        left = self._left + (now - self._at) * self._per_s
        self._at = now
        self._left = left if left < self._most else self._most
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Recorder:
    """Thread-safe. ``on_first`` is called when the first span waits to be sent."""

    def __init__(
        self,
        *,
        traces_per_s: float = TRACES_PER_S,
        slow_ms: int = SLOW_MS,
        clock: Callable[[], float] = time.monotonic,
        on_first: Callable[[], None] = lambda: None,
    ) -> None:
        self._new = Allowance(traces_per_s, BURST_S, clock)
        self._bad = Allowance(BAD_PER_S, BAD_BURST_S, clock)
        self.slow_us = slow_ms * 1000
        self.on_first = on_first
        self._queue: deque[Record] = deque()
        self._ring: deque[Record | Holdable] = deque()
        self._lock = threading.Lock()
        self._has_begun = False
        self.dropped = 0

    def sample(self) -> bool:
        """Whether a trace that begins now is sampled. Call it once for each trace."""
        return self._new.take()

    def keep(self, span: Record) -> None:
        """Take a finished span."""
        if span.sampled:
            self._add(span)
        elif (span.error or span.duration_us >= self.slow_us) and self._bad.take():
            self._add(span)
            self.keep_traces((span.trace_id,))
        elif self.holds:
            self._ring.append(span)
        if not self._has_begun:
            self._begin()

    @property
    def holds(self) -> bool:
        """Whether the ring has room. A busy process keeps some spans for as long as they may be asked for,
        rather than all for a moment."""
        return len(self._ring) < RING

    def hold(self, spans: Holdable) -> None:
        """Keep spans that neither failed nor were slow, in case that their trace did. Call it if `holds`."""
        self._ring.append(spans)
        if not self._has_begun:
            self._begin()

    def sleep_if_empty(self, sleep: Callable[[], None]) -> None:
        """Call ``sleep`` when nothing waits; ``on_first`` tells of the next span."""
        if not self._queue and not self._ring:
            sleep()
            self._has_begun = False
            if self._queue or self._ring:  # one came in between
                self._begin()

    def keep_traces(self, trace_ids: Collection[str]) -> None:
        """Keep what the ring has of these traces."""
        ring = self._ring
        with self._lock:
            for _ in range(len(ring)):
                held = ring.popleft()
                if held.trace_id in trace_ids:
                    for span in held.spans():
                        self._add(span)
                else:
                    ring.append(held)

    def take(self, limit: int) -> list[Record]:
        """At most ``limit`` spans, oldest first. They are gone from here."""
        taken: list[Record] = []
        while self._queue and len(taken) < limit:
            taken.append(self._queue.popleft())
        return taken

    def put_back(self, spans: Iterable[Record]) -> None:
        """Take spans again that could not be sent; those that do not fit are dropped."""
        for span in spans:
            self._add(span)

    @property
    def has_waiting(self) -> bool:
        """Whether the ring has spans that another process might ask for."""
        return bool(self._ring)

    def forget_ring_before(self, started_us: int) -> None:
        with self._lock:
            while self._ring and self._ring[0].started_us < started_us:
                self._ring.popleft()

    def _begin(self) -> None:
        self._has_begun = True
        self.on_first()

    def _add(self, span: Record) -> None:
        if len(self._queue) >= MAX_QUEUED:
            self.dropped += 1
            return
        self._queue.append(span)
