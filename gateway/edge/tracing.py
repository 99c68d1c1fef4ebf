"""The spans of a request in the edge: the request itself, and each attempt at an upstream.

No context variable is touched: the exchange carries its trace. What the spans need is noted, and spans are
made only for requests that are kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from atoll.tracing import Record, TraceContext, parse, trace_of
from atoll.tracing.w3c import new_span_id
from gateway.edge.upstream.hedging import Lost

if TYPE_CHECKING:
    from atoll.tracing.recorder import Recorder
    from gateway.edge.exchange import Exchange
    from gateway.edge.upstream.directory import Endpoint


class Attempt:
    """One attempt at an upstream. Times are of ``perf_counter``; ``ended`` is 0 while it runs."""

    __slots__ = ("began", "ended", "endpoint", "error", "has_lost", "service", "span_id", "status")

    def __init__(self, service: str, endpoint: Endpoint, span_id: str) -> None:
        self.service = service
        self.endpoint = endpoint
        self.span_id = span_id
        self.ended = 0.0
        self.status = 0
        self.error = ""
        self.has_lost = False
        self.began = time.perf_counter()

    def answered(self, status: int) -> None:
        self.status = status
        self.ended = time.perf_counter()

    def failed(self, error: BaseException) -> None:
        if isinstance(error, Lost):
            self.has_lost = True
        else:
            self.error = f"{type(error).__name__}: {error}"[:200]
        self.ended = time.perf_counter()


class RequestTrace:
    """``records`` is False where a client's trace only passes through. The other values that spans need are
    there after `finish`."""

    __slots__ = (
        "_told", "attempts", "parent_id", "records", "sampled", "span_id", "started_us", "trace_id",
    )  # fmt: skip

    def __init__(self, trace_id: str, span_id: str, parent_id: str, sampled: bool, records: bool) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.sampled = sampled
        self.records = records
        self.attempts: list[Attempt] = []

    def attempt(self, service: str, endpoint: Endpoint) -> Attempt:
        span_id = self.span_id
        if self.records:
            # The request's id is random, so its turned digits are, too.
            span_id = new_span_id() if self.attempts else span_id[4:] + span_id[:4]
        made = Attempt(service, endpoint, span_id)
        self.attempts.append(made)
        return made

    def field_of(self, attempt: Attempt) -> bytes:
        """The field line that tells the service its parent span."""
        flags = "01" if self.sampled else "00"
        return f"traceparent: 00-{self.trace_id}-{attempt.span_id}-{flags}\r\n".encode()

    def finish(self, exchange: Exchange, route: str, seconds: float, code: str) -> None:
        self.started_us = int((time.time() - seconds) * 1_000_000)
        # One tuple, since this is done for each request, and the spans are made for few.
        self._told = (
            exchange.started, int(seconds * 1_000_000), exchange.method, exchange.path, exchange.scheme,
            exchange.status, exchange.retries, exchange.correlation_id, route, code,
        )  # fmt: skip

    def spans(self) -> Iterator[Record]:
        _, took_us, method, path, scheme, status, retries, correlation_id, route, code = self._told
        yield Record(
            self.trace_id,
            self.span_id,
            self.parent_id,
            correlation_id,
            f"{method} {route}",
            "server",
            self.started_us,
            took_us,
            f"{status} {code}".strip() if status >= 500 or not status else "",
            self.sampled,
            {
                "http.request.method": method,
                "url.scheme": scheme,
                "url.path": path.decode("latin-1")[:512],
                "http.response.status_code": status,
                "atoll.retries": retries,
                "atoll.route": route,
                "atoll.code": code,
            },
        )
        good = [one for one in self.attempts if not (one.error or one.has_lost)]
        for number, attempt in enumerate(self.attempts):
            # The answer of the last good one was relayed until the end of the request.
            yield self._span_of(attempt, number, is_relayed=bool(good) and attempt is good[-1])

    def _span_of(self, attempt: Attempt, number: int, *, is_relayed: bool) -> Record:
        began, took_us, method, *_, correlation_id, _, _ = self._told
        after_us = int((attempt.began - began) * 1_000_000)
        ended_us = took_us if is_relayed or not attempt.ended else int((attempt.ended - began) * 1_000_000)
        return Record(
            self.trace_id,
            attempt.span_id,
            self.span_id,
            correlation_id,
            f"{method} {attempt.service}",
            "client",
            self.started_us + after_us,
            max(0, ended_us - after_us),
            attempt.error or (f"{attempt.status}" if attempt.status >= 500 else ""),
            self.sampled,
            _facts(method, attempt, number),
        )


def _facts(method: str, attempt: Attempt, number: int) -> dict[str, str | int]:
    facts: dict[str, str | int] = {
        "http.request.method": method,
        "server.address": attempt.endpoint.origin.host,
        "server.port": attempt.endpoint.origin.port,
        "peer.service": attempt.service,
        "atoll.instance": attempt.endpoint.id,
    }
    if attempt.status:
        facts["http.response.status_code"] = attempt.status
    if number:
        facts["http.request.resend_count"] = number
    if attempt.has_lost:
        facts["atoll.outcome"] = "lost"
    return facts


class RequestTraces:
    """Begins and ends the traces of requests. Without a ``recorder`` a client's trace only passes through."""

    def __init__(self, recorder: Recorder | None) -> None:
        self._recorder = recorder
        self._slow_s = recorder.slow_us / 1_000_000 if recorder is not None else 0.0

    def begin(self, exchange: Exchange) -> RequestTrace | None:
        """A client's trace goes on, and its wish to be sampled counts for nothing: it is not ours to pay."""
        offered = exchange.fields.get(b"traceparent")
        client: TraceContext | None = parse(offered.decode("latin-1")) if offered else None
        recorder = self._recorder
        if recorder is None:
            if client is None:
                return None
            return RequestTrace(client.trace_id, client.span_id, "", client.sampled, records=False)
        if client is not None:
            trace_id, parent_id = client.trace_id, client.span_id
        else:
            parent_id, correlation_id = "", exchange.correlation_id
            if b"x-correlation-id" in exchange.fields:
                trace_id = trace_of(correlation_id)
            else:
                trace_id = correlation_id.replace("-", "")  # our own UUID
        request_id = exchange.request_id  # a UUIDv7, whose last 16 digits are random
        span_id = request_id[19:23] + request_id[24:]
        return RequestTrace(trace_id, span_id, parent_id, recorder.sample(), records=True)

    def end(self, exchange: Exchange, trace: RequestTrace, route: str, seconds: float, code: str) -> None:
        recorder = self._recorder
        if recorder is None:
            return
        status = exchange.status
        if trace.sampled or status >= 500 or not status or exchange.retries or seconds >= self._slow_s:
            trace.finish(exchange, route, seconds, code)
            for span in trace.spans():
                recorder.keep(span)
        elif recorder.holds:
            trace.finish(exchange, route, seconds, code)
            recorder.hold(trace)
