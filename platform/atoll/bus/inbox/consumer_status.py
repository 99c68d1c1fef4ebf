"""The state of one consumer: its own thread writes it, other threads read it."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

# A shorter absence is no problem: the consumer is being replaced, or its connection comes back.
GRACE_S = 10.0
# As many interruptions within so many seconds mean that nobody can rely on the consumer.
WINDOW_S = 60.0
MOST_INTERRUPTIONS = 3


@dataclass(frozen=True)
class Problem:
    """The reason why messages are not received.

    ``is_away``: the broker or the database does not answer; messages wait until it does.
    """

    text: str
    is_away: bool = False


class ConsumerStatus:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._gone_since: float | None = clock()
        self._interruptions: deque[float] = deque(maxlen=MOST_INTERRUPTIONS)
        self._last = "it has not connected yet"
        self._is_away = False

    def mark_running(self) -> None:
        """The consumer consumes, or it stands by for another process that does."""
        with self._lock:
            self._gone_since = None

    def mark_interrupted(self, error: BaseException, *, is_away: bool) -> None:
        """The consumer stopped by an error. ``is_away``: broker or database did not answer."""
        now = self._clock()
        with self._lock:
            was_consuming = self._gone_since is None
            self._gone_since = now if was_consuming else self._gone_since
            self._last = _publishable(error)
            self._is_away = is_away
            if was_consuming or not is_away:
                self._interruptions.append(now)

    def problem(self) -> Problem | None:
        """None while messages are received, and for GRACE_S seconds after an interruption."""
        now = self._clock()
        with self._lock:
            if self._gone_since is not None and now - self._gone_since > GRACE_S:
                gone_s = round(now - self._gone_since)
                return Problem(
                    f"Nothing consumes the service's queues for {gone_s} s: {self._last}.", self._is_away
                )
            lately = self._recent(now)
            if len(lately) == MOST_INTERRUPTIONS:
                return Problem(
                    f"The consumer comes back again and again, {len(lately)} times "
                    f"within {round(now - lately[0])} s: {self._last}."
                )
        return None

    def interruptions(self) -> int:
        """The number within the last WINDOW_S seconds, at most MOST_INTERRUPTIONS."""
        with self._lock:
            return len(self._recent(self._clock()))

    def _recent(self, now: float) -> list[float]:
        return [at for at in self._interruptions if now - at < WINDOW_S]


def _publishable(error: BaseException) -> str:
    """The error for public pages: without the addresses and accounts that sockets and PostgreSQL name."""
    reply = getattr(error, "reply_text", None)  # an AMQP error, which web processes do not import
    return f"{type(error).__name__} ({reply})"[:300] if reply else type(error).__name__
