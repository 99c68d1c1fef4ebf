"""The retry policy of a handler: the number of attempts and the waits between them."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class Retry:
    """The attempts a delivery gets after its first one failed.

    ``immediate`` attempts follow at once, then one after each of ``delayed_s``
    seconds; then the delivery is dead. The default is six attempts in all, at
    0, 0, 0, 5, 35 and 335 seconds. No attempt starts later than ``max_age_s``
    after the message was received.
    """

    immediate: int = 2
    delayed_s: tuple[float, ...] = (5, 30, 300)
    max_age_s: float = 86_400

    @property
    def attempts(self) -> int:
        return 1 + self.immediate + len(self.delayed_s)

    def wait_after(self, attempt: int, age_s: float) -> timedelta | None:
        """How long to wait after the given attempt (counted from 1) failed; None when it was the last."""
        if attempt <= self.immediate:
            wait_s = 0.0
        elif attempt <= self.immediate + len(self.delayed_s):
            wait_s = self.delayed_s[attempt - self.immediate - 1]
        else:
            return None
        if age_s + wait_s > self.max_age_s:
            return None
        return timedelta(seconds=wait_s)

    def dead_at(self, attempts: int, next_at: datetime, since: datetime) -> datetime:
        """The time of the last attempt when each of the following ones fails at once.

        ``attempts`` were made, the next one is at ``next_at``, and the message counts as received ``since``.
        """
        attempt, at = attempts + 1, next_at
        while (wait := self.wait_after(attempt, (at - since).total_seconds())) is not None:
            attempt, at = attempt + 1, at + wait
        return at
