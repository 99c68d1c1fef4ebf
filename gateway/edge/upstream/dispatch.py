"""Sends a request to an upstream: chooses an endpoint, waits for the answer's head, retries if safe."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from atoll.client import policy
from atoll.client.failures import NotSent, UpstreamFailure
from gateway.edge.error_responses import unavailable
from gateway.edge.upstream import balance
from gateway.edge.upstream.connection import Connection
from gateway.edge.upstream.directory import MAX_IN_FLIGHT, Endpoint, Upstream
from gateway.edge.upstream.failures import Dropped
from gateway.edge.upstream.pool import Pool

StartBody = Callable[[Connection], None]


@dataclass(slots=True)
class Call:
    """One request to an upstream. ``fields`` are complete header lines without Host.

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
    on_slow: Callable[[Connection], None] | None = None

    @property
    def is_repeatable(self) -> bool:
        return policy.is_repeatable(self.method, has_key=self.has_key)


class Answer:
    """An answer that has begun. Call `finish` at its end, also after an error."""

    __slots__ = ("_done", "_pool", "_upstream", "connection", "endpoint", "probes", "retries")

    def __init__(
        self,
        pool: Pool,
        upstream: Upstream,
        endpoint: Endpoint,
        connection: Connection,
        probes: tuple[bool, bool],
        retries: int,
    ) -> None:
        self._pool = pool
        self._upstream = upstream
        self.endpoint = endpoint
        self.connection = connection
        self.probes = probes
        self.retries = retries
        self._done = False

    def finish(self, failure: BaseException | None = None) -> None:
        """Release the connection and judge the upstream. ``failure`` is the error that ended the answer."""
        if self._done:
            return
        self._done = True
        failed = isinstance(failure, UpstreamFailure) or policy.is_failure(self.connection.status)
        judge(self._upstream, self.endpoint, self.probes, failed=failed)
        self._pool.release(self.endpoint.origin, self.connection)
        self._upstream.in_flight -= 1
        self.endpoint.in_flight -= 1


def judge(upstream: Upstream, endpoint: Endpoint, probes: tuple[bool, bool], *, failed: bool | None) -> None:
    """Tell both breakers. ``failed`` is None when the exchange says nothing about the upstream."""
    for breaker, probe in zip((upstream.breaker, endpoint.breaker), probes, strict=True):
        if failed is None:
            breaker.abandoned(probe=probe)
        elif failed:
            breaker.failed(probe=probe)
        else:
            breaker.succeeded(probe=probe)


def _counts(error: BaseException, given_s: float, timeout_s: float) -> bool:
    """Whether breakers count the error of one attempt. The client's departure does not count, nor does
    an idle connection that the instance was closing."""
    if not isinstance(error, UpstreamFailure) or (isinstance(error, Dropped) and error.reused):
        return False
    return policy.counts(error, given_s=given_s, timeout_s=timeout_s)


class Dispatcher:
    def __init__(self, pool: Pool, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._loop = loop

    async def ask(self, upstream: Upstream, call: Call) -> Answer:
        """The answer, after its head has arrived.

        Raises ErrorResponse (503) when no instance may be asked, UpstreamFailure when the last attempt
        failed, and the error with which ``stream`` ended the exchange.
        """
        self._admit(upstream)
        deadline = self._loop.time() + call.timeout_s
        upstream.budget.deposit()
        tried: set[str] = set()
        retries = 0
        force_fresh = False
        while True:
            candidates = upstream.candidates(tried) or list(upstream.endpoints)
            if not candidates:
                raise unavailable(
                    upstream.name, f"No instance of {upstream.name} is running.", code="no_instance"
                )
            endpoint = balance.choose(candidates)
            try:
                answer = await self._attempt(
                    upstream, endpoint, call, deadline, fresh=force_fresh, retries=retries
                )
            except UpstreamFailure as failure:
                if not self._may_retry(upstream, call, failure, retries, deadline):
                    raise
                force_fresh = isinstance(failure, Dropped) and failure.reused
                if not force_fresh:
                    tried.add(endpoint.id)
            else:
                if not self._better_elsewhere(upstream, call, answer, tried, retries):
                    return answer
                answer.finish()
                tried.add(endpoint.id)
            retries += 1

    def _admit(self, upstream: Upstream) -> None:
        if not upstream.breaker.may_ask():
            raise unavailable(
                upstream.name,
                f"{upstream.name} has failed repeatedly and is given a rest.",
                retry_after_s=upstream.breaker.wait_s(),
                code="circuit_open",
            )
        if upstream.in_flight >= MAX_IN_FLIGHT:
            raise unavailable(upstream.name, f"{upstream.name} is working at its limit.", code="overloaded")

    async def _attempt(
        self,
        upstream: Upstream,
        endpoint: Endpoint,
        call: Call,
        deadline: float,
        *,
        fresh: bool,
        retries: int,
    ) -> Answer:
        probes = (upstream.breaker.asked(), endpoint.breaker.asked())
        upstream.in_flight += 1
        endpoint.in_flight += 1
        began = self._loop.time()
        connection: Connection | None = None
        try:
            connection = None if fresh else self._pool.idle(endpoint.origin)
            if connection is None:
                connection = await self._pool.connect(endpoint.origin, deadline)
            await self._send(connection, endpoint, call, deadline)
        except BaseException as error:
            if connection is not None:
                self._pool.release(endpoint.origin, connection)
            upstream.in_flight -= 1
            endpoint.in_flight -= 1
            given_s = deadline - began
            judge(upstream, endpoint, probes, failed=_counts(error, given_s, call.timeout_s) or None)
            raise
        return Answer(self._pool, upstream, endpoint, connection, probes, retries)

    async def _send(self, connection: Connection, endpoint: Endpoint, call: Call, deadline: float) -> None:
        now = self._loop.time()
        connection.begin(head_only=call.method == "HEAD", now=now, deadline=deadline)
        on_slow = call.on_slow
        self._pool.watch(connection, None if on_slow is None else lambda: on_slow(connection))
        head = b"%b %b HTTP/1.1\r\nhost: %b\r\nx-deadline-ms: %d\r\n%b\r\n" % (
            call.method.encode(),
            call.target,
            endpoint.origin.authority,
            max(1, int((deadline - now) * 1000)),
            call.fields,
        )
        if not connection.usable:
            raise NotSent("the connection closed before anything was sent")
        if call.stream is None:
            connection.write(head + call.body if call.body else head)
            connection.request_sent = True
        else:
            connection.write(head)
            call.stream(connection)
        await connection.head()

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
            and any(
                other.breaker.may_ask()
                for other in upstream.endpoints
                if other is not answer.endpoint and other.id not in tried
            )
            and upstream.budget.withdraw()
        )
