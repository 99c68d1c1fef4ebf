"""How long handlers take on the fast path: a slow one goes to the worker's pool for a while.

A busy machine makes everything slow, and the pool, which costs more, would not help. So a handler is
compared with the statement that stores its batch as well, and only runs on the fast path count.
"""

import statistics
import time
from collections import defaultdict, deque

# Of the last SAMPLES runs the 90th percentile counts, once there are FEWEST.
SAMPLES, FEWEST = 50, 20
SLOW_S = 0.02
# On a busy machine: so many times the typical time of storing a batch.
SLOW_STORES = 20
# One run that took so many times longer than a slow one is enough.
STUCK = 12
# A slow handler stays in the pool for this long, and for twice as long when it is still slow afterwards.
FIRST_REST_S, LONGEST_REST_S = 10.0, 300.0
# A handler that failed stays in the pool for this long, since each failure undoes a batch.
REST_S = 5.0


class HandlerSpeed:
    """Belongs to the thread of the fast path."""

    def __init__(self) -> None:
        self._runs: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=SAMPLES))
        self._stores: deque[float] = deque([0.0], maxlen=SAMPLES)
        self._rests_until: dict[str, float] = {}
        self._next_rest_s: dict[str, float] = {}

    def stored(self, took_s: float) -> None:
        """The statement that stores a batch took so long."""
        self._stores.append(took_s)

    def ran(self, handler_id: str, took_s: float) -> None:
        """The handler's function ended without an error."""
        runs = self._runs[handler_id]
        runs.append(took_s)
        slow_s = max(SLOW_S, SLOW_STORES * statistics.median(self._stores))
        is_slow = len(runs) >= FEWEST and sorted(runs)[len(runs) * 9 // 10] >= slow_s
        if is_slow or took_s >= STUCK * slow_s:
            self._rest(handler_id)
        elif len(runs) == SAMPLES:
            self._next_rest_s.pop(handler_id, None)

    def failed(self, handler_id: str, took_s: float) -> None:
        """The handler raised an exception, or was cut off, after so many seconds."""
        if took_s >= STUCK * SLOW_S:
            # It would hold up the consumer for as long again, and its runs never end here to be measured.
            self._rest(handler_id)
        else:
            self._rests_until[handler_id] = time.monotonic() + REST_S

    def _rest(self, handler_id: str) -> None:
        rest_s = self._next_rest_s.get(handler_id, FIRST_REST_S)
        self._rests_until[handler_id] = time.monotonic() + rest_s
        self._next_rest_s[handler_id] = min(2 * rest_s, LONGEST_REST_S)
        self._runs[handler_id].clear()

    def is_fast(self, handler_id: str) -> bool:
        """Whether the handler may run on the fast path. A handler that has not run yet may."""
        return time.monotonic() >= self._rests_until.get(handler_id, 0.0)
