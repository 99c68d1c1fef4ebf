"""A call to another service: choose an instance, send the request, retry at another one if that is safe."""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Unpack
from urllib.parse import urlencode

from atoll import context, discovery, tracing, wire
from atoll.client import balancing, policy
from atoll.client import headers as call_headers
from atoll.client.balancing import Strategy
from atoll.client.breaker import Breaker
from atoll.client.call import Call, Failed
from atoll.client.deadline import Deadline
from atoll.client.failures import NotSent, TimedOut, UpstreamFailure
from atoll.client.metrics import observe_breaker_opened, observe_call, observe_retry, observe_stopped
from atoll.client.options import Options, Params, Token
from atoll.client.pool import Pool
from atoll.client.reply import Reply
from atoll.client.retry import Retry
from atoll.client.transport import Raw
from atoll.discovery.instances import Instance
from atoll.errors import BadAnswer, CircuitOpen, DeadlineExceeded, NoInstance, Refusal, Unavailable

logger = logging.getLogger(__name__)

TIMEOUT_S = 5.0


@cache
def process_pool() -> Pool:
    return Pool()


os.register_at_fork(after_in_child=process_pool.cache_clear)


class ServiceClient:
    """Methods return a `Reply` for a status below 500. Otherwise they raise Unavailable or one of its
    subclasses: NoInstance, CircuitOpen, DeadlineExceeded, BadAnswer. Thread-safe; cheap to make.

    A request is retried at most ``retry.limit`` times, and only if it is safe to repeat or was never
    sent, if the process's retry budget for the service allows it, and before the deadline.
    """

    def __init__(
        self,
        service: str,
        *,
        timeout_s: float = TIMEOUT_S,
        strategy: Strategy | None = None,
        retry: Retry | None = None,
        pool: Pool | None = None,
        resolve: Callable[[str], Sequence[Instance]] = discovery.resolve,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.service = service
        self.timeout_s = timeout_s
        self._strategy = strategy
        self._retry = retry or Retry()
        self._pool = pool
        self._resolve = resolve
        self._clock = clock
        self._sleep = sleep

    def get(self, path: str, **options: Unpack[Options]) -> Reply:
        return self.request("GET", path, **options)

    def post(self, path: str, json: object = None, **options: Unpack[Options]) -> Reply:
        return self.request("POST", path, json=json, **options)

    def put(self, path: str, json: object = None, **options: Unpack[Options]) -> Reply:
        return self.request("PUT", path, json=json, **options)

    def patch(self, path: str, json: object = None, **options: Unpack[Options]) -> Reply:
        return self.request("PATCH", path, json=json, **options)

    def delete(self, path: str, **options: Unpack[Options]) -> Reply:
        return self.request("DELETE", path, **options)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        form: Mapping[str, str] | None = None,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        token: Token = None,
        idempotency_key: str | None = None,
        timeout_s: float | None = None,
        deadline: float | None = None,
    ) -> Reply:
        """``deadline`` is a moment on the clock of ``time.monotonic()``. The call ends at ``deadline``,
        ``timeout_s`` from now, or the deadline of the running work, whichever is first. A POST in a
        message handler carries the delivery's idempotency key unless another is given. ``form`` is sent in
        place of ``json``, as ``application/x-www-form-urlencoded``."""
        if idempotency_key is None and method == "POST":
            idempotency_key = context.idempotency_key()
        limit = Deadline(self.service, timeout_s or self.timeout_s, deadline=deadline, clock=self._clock)
        body = None if json is None else wire.dumps(json)
        if form is not None:
            body = urlencode(form).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        sent = call_headers.for_call(
            headers, token=token, idempotency_key=idempotency_key, has_body=body is not None
        )
        is_repeatable = policy.is_repeatable(method, has_key=idempotency_key is not None)
        call = Call(method, path, params, sent, body, is_repeatable, limit)
        started = time.monotonic()
        outcome = "failed"
        try:
            reply = self._ask_until_answered(call)
            outcome = "ok" if reply.ok else "refused"
            return reply
        finally:
            observe_call(self.service, outcome, time.monotonic() - started)

    def _ask_until_answered(self, call: Call) -> Reply:
        pool = self._pool or process_pool()
        budget = pool.budget(self.service)
        budget.deposit()
        tried: set[str] = set()
        for retry in range(1, self._retry.limit + 2):
            instance, breaker = self._choose(pool, tried)
            tried.add(instance.id)
            if retry > 1:
                observe_retry(self.service)
            try:
                return self._attempt(pool, instance, breaker, call, retry)
            except Failed as failure:
                pause_s = self._retry.pause_s(retry, failure.error.retry_after_s)
                may_retry = failure.may_repeat and retry <= self._retry.limit
                if not (may_retry and call.deadline.allows(pause_s) and budget.withdraw()):
                    raise failure.error from failure.__cause__
                self._sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    def _choose(self, pool: Pool, tried: set[str]) -> tuple[Instance, Breaker]:
        """An instance that its breaker allows; one that this call has not tried yet, if there is any."""
        try:
            instances = list(self._resolve(self.service))
        except Refusal as refused:
            # The registry refuses this service's credential. The caller of this service made no mistake.
            logger.error("discovery_refused: %s", refused)
            raise Unavailable(
                self.service, "cannot be looked up: the registry refuses this service"
            ) from refused
        if not instances:
            raise NoInstance(self.service, "no healthy instance is registered")
        pool.forget_others(self.service, instances)
        breakers = {instance.id: pool.breaker(self.service, instance) for instance in instances}
        candidates = [instance for instance in instances if not breakers[instance.id].is_open]
        while candidates:
            fresh = [instance for instance in candidates if instance.id not in tried] or candidates
            nearest = balancing.of_lowest_priority(fresh)
            strategy = self._strategy or balancing.usual(nearest)
            chosen = strategy.pick(nearest, lambda instance: pool.in_flight(self.service, instance))
            if breakers[chosen.id].allow():
                return chosen, breakers[chosen.id]
            candidates.remove(chosen)
        observe_stopped(self.service)
        after_s = min(breaker.retry_after_s() for breaker in breakers.values())
        raise CircuitOpen(
            self.service, "it failed repeatedly and is left alone for now", retry_after_s=after_s
        )

    def _attempt(self, pool: Pool, instance: Instance, breaker: Breaker, call: Call, number: int) -> Reply:
        if tracing.current_place() is None:
            # Nobody asked for this call: a thread fetches keys, or somebody is at a command line.
            return self._ask(pool, instance, breaker, call)
        facts = {
            "http.request.method": call.method,
            # Without the query: it may hold personal data.
            "url.full": instance.url + call.path.partition("?")[0],
            "server.address": instance.host if instance.is_named else instance.address or instance.host,
            "server.port": instance.port,
            "http.request.resend_count": number - 1 or None,
            "peer.service": self.service,
            "atoll.instance": instance.id,
        }
        with tracing.span(f"{call.method} {self.service}", "client", attributes=facts) as span:
            reply = self._ask(pool, instance, breaker, call)
            span.set_attribute("http.response.status_code", reply.status)
            return reply

    def _ask(self, pool: Pool, instance: Instance, breaker: Breaker, call: Call) -> Reply:
        verdict = breaker.released
        try:
            given_s = call.deadline.remaining_s()
            with pool.running(self.service, instance):
                raw = pool.transport.send(
                    call.method,
                    instance.url + call.path,
                    params=call.params,
                    headers=call.headers | call_headers.for_attempt(instance, given_s),
                    body=call.body,
                    timeout_s=given_s,
                )
            verdict = breaker.failed if policy.is_failure(raw.status) else breaker.succeeded
        except UpstreamFailure as failure:
            if policy.counts(failure, given_s=given_s, timeout_s=self.timeout_s):
                verdict = breaker.failed
            may_repeat = policy.may_repeat(failure, is_repeatable=call.is_repeatable)
            raise Failed(self._no_answer(instance, failure, given_s), may_repeat=may_repeat) from failure
        finally:
            if verdict():
                pool.show_breakers(self.service)
                if verdict == breaker.failed:
                    observe_breaker_opened(self.service)
        if raw.status >= 500:
            may_repeat = policy.is_failure(raw.status) and call.is_repeatable
            raise Failed(self._bad_answer(instance, raw), may_repeat=may_repeat)
        return Reply(self.service, raw.status, raw.headers, raw.content, instance.id)

    def _no_answer(self, instance: Instance, failure: UpstreamFailure, given_s: float) -> Unavailable:
        if isinstance(failure, TimedOut):
            return DeadlineExceeded(self.service, f"{instance.id} gave no answer in {given_s:.3f} s")
        happened = "cannot be reached" if isinstance(failure, NotSent) else "gave no answer"
        return Unavailable(self.service, f"{instance.id} {happened}: {failure}")

    def _bad_answer(self, instance: Instance, raw: Raw) -> BadAnswer:
        seconds = {name.lower(): value for name, value in raw.headers.items()}.get("retry-after", "")
        return BadAnswer(
            self.service,
            f"{instance.id} answered {raw.status}",
            retry_after_s=float(seconds) if seconds.isdigit() else None,
        )
