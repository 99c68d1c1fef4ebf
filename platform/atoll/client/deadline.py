"""The time the caller has, which only shrinks on the way down the chain."""

import time
from collections.abc import Callable

from atoll import context
from atoll.errors import DeadlineExceeded


class Deadline:
    """The earlier of now + ``timeout_s`` and the deadline of the work this call belongs to."""

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
        """More than zero. Raises DeadlineExceeded when the time is used up."""
        left = self.at - self._clock()
        if left <= 0:
            raise DeadlineExceeded(self._service, "no answer within the time the caller had")
        return left

    def allows(self, pause_s: float) -> bool:
        """Whether anything is left after a pause."""
        return self._clock() + pause_s < self.at
