"""Asks a second endpoint when the first is slow to answer. The first answer wins (docs/decisions/0100).

A second request comes out of the retry budget, so hedging never doubles the load of a service that is slow
as a whole.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from math import ceil
from typing import TYPE_CHECKING, Any

from atoll.client import policy
from atoll.client.failures import UpstreamFailure
from gateway.edge.flow import Flow, Waiter
from gateway.edge.upstream.settings import AFTER_P95, NEVER, Hedge

if TYPE_CHECKING:
    from gateway.edge.upstream.directory import Endpoint, Upstream
    from gateway.edge.upstream.dispatch import Answer

# A DELETE is idempotent, too, but the second of two at once finds nothing, and its 404 could win.
METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
SHARE = 0.95
REMEMBERED = 512
LEAST_MEASURED = 100
COMPUTE_EVERY = 32

Attempt = Callable[["Endpoint"], Coroutine[Any, Any, "Answer"]]


class Lost(Exception):
    """The other endpoint has answered first. It says nothing about this one."""


class Hedging:
    """The settings and measurements of one service.

    ``sent`` counts second requests, ``won`` those of them that answered first.
    """

    __slots__ = ("_delay_s", "_measured", "_times", "is_on", "sent", "settings", "won")

    def __init__(self) -> None:
        self.sent = 0
        self.won = 0
        self.configure(Hedge())

    def configure(self, settings: Hedge) -> None:
        """Measures anew when the settings have changed."""
        if getattr(self, "settings", None) == settings:
            return
        self.settings = settings
        self.is_on = settings.after != NEVER
        self._times: deque[float] = deque(maxlen=REMEMBERED)
        self._measured = 0
        self._delay_s = None if settings.after == AFTER_P95 else settings.delay_ms / 1000

    @property
    def delay_s(self) -> float | None:
        """The wait before the second request. None while fewer than `LEAST_MEASURED` were measured."""
        return self._delay_s

    def measure(self, time_s: float) -> None:
        """Note the time of a first request until its answer began, or until it lost."""
        if self.settings.after != AFTER_P95:
            return
        self._times.append(time_s)
        self._measured += 1
        if self._measured >= LEAST_MEASURED and not self._measured % COMPUTE_EVERY:
            ordered = sorted(self._times)
            self._delay_s = ordered[ceil(SHARE * len(ordered)) - 1]


async def first_answer(
    upstream: "Upstream",
    first: "Endpoint",
    attempt: Attempt,
    tried: set[str],
    loop: asyncio.AbstractEventLoop,
) -> "Answer":
    """The first good answer of ``first`` and, after the delay, of a second endpoint.

    While one of them runs, a failure of the other decides nothing. Adds the second endpoint to ``tried``.
    Raises the UpstreamFailure of the last one when both fail. Needs a flow, like ``attempt``.
    """
    return await _Race(upstream, attempt, tried, loop).run(first)


class _Entrant:
    def __init__(self, endpoint: "Endpoint", began: float) -> None:
        self.endpoint = endpoint
        self.began = began
        self.flow: Flow | None = None
        self.runs = True


class _Race:
    def __init__(
        self, upstream: "Upstream", attempt: Attempt, tried: set[str], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._upstream = upstream
        self._attempt = attempt
        self._tried = tried
        self._loop = loop
        self._entrants: list[_Entrant] = []
        self._over = Waiter()
        self._is_over = False
        self._answer: Answer | None = None
        self._error: BaseException | None = None

    async def run(self, first: "Endpoint") -> "Answer":
        delay_s = self._upstream.hedging.delay_s
        timer = self._loop.call_later(delay_s, self._hedge, first) if delay_s is not None else None
        self._enter(first)
        is_awaited = False
        try:
            await self._over
            is_awaited = True
        finally:
            self._is_over = True
            if timer is not None:
                timer.cancel()
            self._end_others()
            if not is_awaited and self._answer is not None:
                self._answer.finish()
        if self._answer is not None:
            return self._answer
        raise self._error or RuntimeError("a race ended without a result")

    def _enter(self, endpoint: "Endpoint") -> None:
        entrant = _Entrant(endpoint, self._loop.time())
        self._entrants.append(entrant)

        def done(answer: "Answer | None", error: BaseException | None) -> None:
            self._ended(entrant, answer, error)

        entrant.flow = Flow(self._attempt(endpoint), done)
        entrant.flow.start()

    def _hedge(self, first: "Endpoint") -> None:
        upstream = self._upstream
        asked = {*self._tried, first.id}
        if upstream.is_full or not upstream.may_try_another(asked) or not upstream.budget.withdraw():
            return
        second = upstream.choose(asked)
        if second is None:
            return
        self._tried.add(second.id)
        upstream.hedging.sent += 1
        self._enter(second)

    def _ended(self, entrant: _Entrant, answer: "Answer | None", error: BaseException | None) -> None:
        entrant.runs = False
        is_first = entrant is self._entrants[0]
        if is_first and (answer is not None or isinstance(error, Lost)):
            self._upstream.hedging.measure(self._loop.time() - entrant.began)
        if self._is_over:
            if answer is not None:
                answer.finish()
            return
        is_decisive = not any(one.runs for one in self._entrants)
        if answer is not None:
            if self._answer is not None:
                self._answer.finish()  # a failure that waited for a better answer
            self._answer = answer
            is_decisive = is_decisive or not policy.is_failure(answer.connection.status)
            self._upstream.hedging.won += is_decisive and not is_first
        else:
            self._error = error
            is_decisive = is_decisive or not isinstance(error, UpstreamFailure)
        if is_decisive:
            self._is_over = True
            self._over.wake()

    def _end_others(self) -> None:
        for one in self._entrants:
            if one.runs and one.flow is not None:
                one.flow.throw(Lost())
