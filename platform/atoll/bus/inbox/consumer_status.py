"""Whether a service hears its messages: said by who consumes, read by who asks."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

# A consumer that is gone for less is being replaced; a connection comes back within that.
GRACE_S = 10.0
# Interruptions within the last minute from which on nobody should rely on the consumer.
WINDOW_S = 60.0
MOST_INTERRUPTIONS = 3


@dataclass(frozen=True)
class Problem:
    """Why messages are not received. ``is_away``: for want of the broker or the database,
    which keep what is announced until they are back."""

    text: str
    is_away: bool = False


class Listening:
    """What one ingest went through lately; written by its thread, read by others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._gone_since: float | None = clock()
        self._interruptions: deque[float] = deque(maxlen=MOST_INTERRUPTIONS)
        self._last = "it has not connected yet"
        self._is_away = False

    def began(self) -> None:
        """It consumes, or stands by for another instance that does."""
        with self._lock:
            self._gone_since = None

    def ended(self, error: BaseException | None, *, is_away: bool) -> None:
        """It does not any more; ``error`` is None when it was told to stop.

        ``is_away`` says that broker or database did not answer, so that nobody here is at fault.
        """
        now = self._clock()
        with self._lock:
            if error is None:
                return
            was_consuming = self._gone_since is None
            self._gone_since = now if was_consuming else self._gone_since
            self._last = _told(error)
            self._is_away = is_away
            if was_consuming or not is_away:
                self._interruptions.append(now)

    def problem(self) -> Problem | None:
        """None while messages are received, and for a short while after an interruption."""
        now = self._clock()
        with self._lock:
            if self._gone_since is not None and now - self._gone_since > GRACE_S:
                gone_s = round(now - self._gone_since)
                return Problem(
                    f"Nothing consumes the service's queues for {gone_s} s: {self._last}.", self._is_away
                )
            lately = self._lately(now)
            if len(lately) == MOST_INTERRUPTIONS:
                return Problem(
                    f"The consumer comes back again and again, {len(lately)} times "
                    f"within {round(now - lately[0])} s: {self._last}."
                )
        return None

    def interruptions(self) -> int:
        """How many there were within the last WINDOW_S seconds; MOST_INTERRUPTIONS stands for more."""
        with self._lock:
            return len(self._lately(self._clock()))

    def _lately(self, now: float) -> list[float]:
        return [at for at in self._interruptions if now - at < WINDOW_S]


def _told(error: BaseException) -> str:
    """For pages that everybody may see: no address and no account, which errors of sockets and of
    PostgreSQL name."""
    reply = getattr(error, "reply_text", None)  # of the broker; web processes import no AMQP
    return f"{type(error).__name__} ({reply})"[:300] if reply else type(error).__name__
