"""The circuit breaker of a whole service: open while those of all its endpoints are.

It counts nothing itself. So an ill instance beside a well one never closes the service to its callers,
and the service client decides alike (docs/decisions/0083).
"""

from collections.abc import Callable, Sequence
from typing import Protocol


class EndpointBreaker(Protocol):
    @property
    def closed(self) -> bool: ...
    @property
    def state(self) -> str: ...
    def may_ask(self) -> bool: ...
    def wait_s(self) -> float: ...


class ServiceBreaker:
    """``breakers`` gives those of the service's endpoints now. Without any it is closed."""

    __slots__ = ("_breakers",)

    def __init__(self, breakers: Callable[[], Sequence[EndpointBreaker]]) -> None:
        self._breakers = breakers

    @property
    def closed(self) -> bool:
        breakers = self._breakers()
        return not breakers or any(breaker.closed for breaker in breakers)

    @property
    def state(self) -> str:
        if self.closed:
            return "closed"
        states = {breaker.state for breaker in self._breakers()}
        return "half-open" if "half-open" in states else "open"

    def may_ask(self) -> bool:
        breakers = self._breakers()
        return not breakers or any(breaker.may_ask() for breaker in breakers)

    def wait_s(self) -> float:
        """Seconds until the first endpoint may be probed."""
        return 0.0 if self.closed else min(breaker.wait_s() for breaker in self._breakers())
