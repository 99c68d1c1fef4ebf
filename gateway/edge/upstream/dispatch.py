"""Sends a request to an upstream: chooses an endpoint, waits for the answer's head, retries if safe."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from atoll.client import policy
from atoll.client.failures import NotSent, UpstreamFailure
from gateway.edge.flow import outside
from gateway.edge.tracing import Attempt, RequestTrace
from gateway.edge.upstream import hedging, verdicts
from gateway.edge.upstream.connection import Connection
from gateway.edge.upstream.directory import Endpoint, Upstream
from gateway.edge.upstream.failures import Dropped
from gateway.edge.upstream.pool import Pool

StartBody = Callable[[Connection], None]


@dataclass(slots=True)
class Call:
    """One request to an upstream. ``fields`` are complete header lines without Host.

    ``host`` replaces the instance's authority as Host. ``upgrades``: 101 is an answer.
    ``body`` is a buffered body. ``stream`` gets the connection and starts to send a longer one.
    ``timeout_s`` bounds the time until the answer begins, over all attempts.
    """

    service: str
    method: str
    target: bytes
    fields: bytes
    timeout_s: float
    body: bytes = b""
    stream: StartBody | None = None
    has_key: bool = False
    host: bytes = b""
    upgrades: bool = False
    trace: RequestTrace | None = None

    @property
    def is_repeatable(self) -> bool:
        return policy.is_repeatable(self.method, has_key=self.has_key)

    @property
    def may_be_hedged(self) -> bool:
        """Whether a second endpoint may get it at the same time."""
        return self.method in hedging.METHODS and not self.body and self.stream is None and not self.upgrades


class Answer:
    """An answer that has begun. Call `finish` at its end, also after an error."""

    __slots__ = ("_done", "_pool", "_upstream", "connection", "endpoint", "probe", "retries")

    def __init__(
        self,
        pool: Pool,
        upstream: Upstream,
        endpoint: Endpoint,
        connection: Connection,
        probe: int,
        retries: int,
    ) -> None:
        self._pool = pool
        self._upstream = upstream
        self.endpoint = endpoint
        self.connection = connection
        self.probe = probe
        self.retries = retries
        self._done = False

    def finish(self, failure: BaseException | None = None) -> None:
        """Release the connection and judge the upstream. ``failure`` is the error that ended the answer."""
        if self._done:
            return
        self._done = True
        connection, endpoint = self.connection, self.endpoint
        status = connection.status
        if failure is None and status < 500:
            verdicts.well(endpoint, self.probe)
        else:
            outcome = verdicts.of_answer(status, failure, held_back=connection.waits_for_client)
            verdicts.judge(self._upstream, endpoint, self.probe, outcome)
        self._pool.release(endpoint.origin, connection)
        self._upstream.in_flight -= 1
        endpoint.in_flight -= 1

    def detach(self) -> Connection:
        """Judge the upstream now and keep the connection, which serves no other request.

        Its user closes it, then calls `forget`.
        """
        if not self._done:
            self._done = True
            verdicts.judge(
                self._upstream, self.endpoint, self.probe, verdicts.of_answer(self.connection.status)
            )
            self._upstream.in_flight -= 1
            self.endpoint.in_flight -= 1
        return self.connection

    def forget(self) -> None:
        self._pool.forget(self.connection)


class Dispatcher:
    def __init__(self, pool: Pool, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop

    async def ask(self, upstream: Upstream, call: Call) -> Answer:
        """The answer, after its head has arrived.

        Raises ErrorResponse (503) when no instance may be asked, UpstreamFailure when the last attempt
        failed, and the error with which ``stream`` ended the exchange.
        """
        if upstream.in_flight >= upstream.max_in_flight:
            raise verdicts.overloaded(upstream)
        deadline = self._loop.time() + call.timeout_s
        upstream.budget.deposit()
        tried: set[str] = set()
        retries = 0
        force_fresh = False
        failed: UpstreamFailure | None = None
        while True:
            endpoint = upstream.choose(tried)
            if endpoint is None:
                raise failed or verdicts.refusal(upstream)
            try:
                if upstream.hedging.is_on and not retries and call.may_be_hedged:
                    answer = await self._first_answer(upstream, endpoint, call, deadline, tried)
                else:
                    answer = await self._attempt(upstream, endpoint, call, deadline, force_fresh, retries)
            except UpstreamFailure as failure:
                if not self._may_retry(upstream, call, failure, retries, deadline):
                    raise
                failed = failure
                force_fresh = isinstance(failure, Dropped) and failure.reused
                if not force_fresh:
                    tried.add(endpoint.id)
            else:
                if answer.connection.status < 500 or not self._better_elsewhere(
                    upstream, call, answer, tried, retries
                ):
                    return answer
                answer.finish()
                tried.add(endpoint.id)
            retries += 1

    async def _first_answer(
        self, upstream: Upstream, first: Endpoint, call: Call, deadline: float, tried: set[str]
    ) -> Answer:
        def attempt(endpoint: Endpoint) -> Coroutine[Any, Any, Answer]:
            return self._attempt(upstream, endpoint, call, deadline, False, 0)

        return await hedging.first_answer(upstream, first, attempt, tried, self._loop)

    async def _attempt(
        self,
        upstream: Upstream,
        endpoint: Endpoint,
        call: Call,
        deadline: float,
        fresh: bool,
        retries: int,
    ) -> Answer:
        probe = endpoint.breaker.asked()
        upstream.in_flight += 1
        endpoint.in_flight += 1
        began = now = self._loop.time()
        attempt = call.trace.attempt(call.service, endpoint) if call.trace is not None else None
        connection: Connection | None = None
        try:
            connection = None if fresh else self._pool.idle(endpoint.origin, now)
            if connection is None:
                connection = await outside(self._pool.connect(endpoint.origin, deadline))
                now = self._loop.time()
                if not connection.usable:
                    raise NotSent("the connection closed before anything was sent")
            self._send(connection, endpoint, call, now, deadline, attempt)
            # Without a coroutine of the connection: each one between the callback and here costs time.
            while connection.answer is None:
                await connection.answered()
        except BaseException as error:
            if attempt is not None:
                attempt.failed(error)
            if connection is not None:
                self._pool.release(endpoint.origin, connection)
            upstream.in_flight -= 1
            endpoint.in_flight -= 1
            outcome = verdicts.of_error(
                error,
                given_s=deadline - began,
                timeout_s=call.timeout_s,
                request_sent=call.stream is None or (connection is not None and connection.request_sent),
            )
            verdicts.judge(upstream, endpoint, probe, outcome)
            raise
        if attempt is not None:
            attempt.answered(connection.status)
        return Answer(self._pool, upstream, endpoint, connection, probe, retries)

    def _send(
        self,
        connection: Connection,
        endpoint: Endpoint,
        call: Call,
        now: float,
        deadline: float,
        attempt: Attempt | None,
    ) -> None:
        connection.begin(head_only=call.method == "HEAD", now=now, deadline=deadline, upgrades=call.upgrades)
        self._pool.watch(connection)
        head = b"%b %b HTTP/1.1\r\nhost: %b\r\nx-deadline-ms: %d\r\n%b%b\r\n" % (
            call.method.encode(),
            call.target,
            call.host or endpoint.origin.authority,
            max(1, int((deadline - now) * 1000)),
            call.trace.field_of(attempt) if attempt is not None and call.trace is not None else b"",
            call.fields,
        )
        if call.stream is None:
            connection.write(head + call.body if call.body else head)
            connection.request_sent = True
        else:
            connection.write(head)
            call.stream(connection)

    def _may_retry(
        self, upstream: Upstream, call: Call, failure: UpstreamFailure, retries: int, deadline: float
    ) -> bool:
        return (
            retries < policy.MAX_RETRIES
            and self._loop.time() < deadline
            and (call.stream is None or isinstance(failure, NotSent))
            and policy.may_repeat(failure, is_repeatable=call.is_repeatable)
            and upstream.budget.withdraw()
        )

    def _better_elsewhere(
        self, upstream: Upstream, call: Call, answer: Answer, tried: set[str], retries: int
    ) -> bool:
        """Whether to ask another endpoint after a failure status: one may be asked, and a repeat is safe."""
        return (
            policy.is_failure(answer.connection.status)
            and retries < policy.MAX_RETRIES
            and call.stream is None
            and call.is_repeatable
            and upstream.may_try_another({*tried, answer.endpoint.id})
            and upstream.budget.withdraw()
        )
