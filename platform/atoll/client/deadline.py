"""The deadline of a call: never later than the deadline of the request that makes the call."""

import time
from collections.abc import Callable

from atoll import context
from atoll.errors import DeadlineExceeded


class Deadline:
    """The earliest of now + ``timeout_s``, ``deadline`` and the deadline of the running work."""

    def __init__(
        self,
        service: str,
        timeout_s: float,
        *,
        deadline: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._service = service
        self._clock = clock
        bounds = (clock() + timeout_s, deadline, context.deadline())
        self.at = min(bound for bound in bounds if bound is not None)

    def remaining_s(self) -> float:
        """Always more than zero. Raises DeadlineExceeded when no time is left."""
        left = self.at - self._clock()
        if left <= 0:
            raise DeadlineExceeded(self._service, "no answer within the time the caller had")
        return left

    def allows(self, pause_s: float) -> bool:
        """Whether time is left after a pause."""
        return self._clock() + pause_s < self.at
