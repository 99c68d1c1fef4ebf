"""Traces at the gateway: what a service gets, and which spans are recorded."""

from collections.abc import Iterator

import pytest

from atoll.tracing import Record, TraceContext, parse
from atoll.tracing.recorder import Recorder
from gateway.edge.tracing import RequestTraces
from gateway.tests.harness import NOBODY, Gateway, until
from gateway.tests.upstream import Upstream, answer

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def recorder(gateway: Gateway) -> Iterator[Recorder]:
    mine = Recorder()
    former = gateway.components.traces
    gateway.components.traces = RequestTraces(mine)
    yield mine
    gateway.components.traces = former


def taken(recorder: Recorder, count: int) -> list[Record]:
    """So many spans; the client may have its answer before they are recorded."""
    spans: list[Record] = []

    def are_there() -> bool:
        spans.extend(recorder.take(100))
        return len(spans) >= count

    until(are_there)
    assert len(spans) == count
    return spans


def sent(upstream: Upstream) -> TraceContext:
    place = parse(upstream.seen[-1].header("traceparent"))
    assert place is not None
    return place


def test_a_trace_begins_at_the_gateway_under_the_correlation_id(
    gateway: Gateway, upstream: Upstream, recorder: Recorder
) -> None:
    answered = gateway.get("/open/x")
    request, attempt = taken(recorder, 2)
    place = sent(upstream)
    assert place == TraceContext(
        answered.headers["x-correlation-id"].replace("-", ""), attempt.span_id, sampled=True
    )
    assert (request.trace_id, request.parent_id, request.kind) == (place.trace_id, "", "server")
    assert (attempt.parent_id, attempt.kind) == (request.span_id, "client")
    assert attempt.span_id != request.span_id
    assert request.attributes["http.response.status_code"] == 200
    assert request.duration_us >= attempt.duration_us > 0


def test_a_clients_trace_goes_on(gateway: Gateway, upstream: Upstream, recorder: Recorder) -> None:
    gateway.get("/open/x", traceparent=f"00-{TRACE}-{SPAN}-00", tracestate="vendor=1")
    request, attempt = taken(recorder, 2)
    assert (request.trace_id, request.parent_id) == (TRACE, SPAN)
    assert sent(upstream).trace_id == TRACE
    assert sent(upstream).span_id == attempt.span_id
    assert upstream.seen[-1].header("tracestate") is None


def test_a_client_cannot_have_its_requests_recorded(gateway: Gateway, upstream: Upstream) -> None:
    recorder = Recorder(traces_per_s=1e-9)
    former = gateway.components.traces
    gateway.components.traces = RequestTraces(recorder)
    try:
        assert gateway.get("/open/x", traceparent=f"00-{TRACE}-{SPAN}-01").status == 200
        assert sent(upstream) == TraceContext(TRACE, sent(upstream).span_id, sampled=False)
        until(lambda: recorder.has_waiting)
        assert recorder.take(100) == []
        recorder.keep_traces({TRACE})
        assert [span.kind for span in recorder.take(100)] == ["server", "client"]
    finally:
        gateway.components.traces = former


@pytest.mark.parametrize(
    "value", ["", "evil", f"00-{TRACE}-{SPAN}", f"00-{'0' * 32}-{SPAN}-01", "00-" + "x" * 4000]
)
def test_a_malformed_trace_is_replaced(
    gateway: Gateway, upstream: Upstream, recorder: Recorder, value: str
) -> None:
    assert gateway.get("/open/x", traceparent=value).status == 200
    headers = [v for name, v in upstream.seen[-1].headers if name == "traceparent"]
    assert len(headers) == 1
    assert sent(upstream).trace_id != TRACE
    assert taken(recorder, 2)[0].parent_id == ""


def test_each_attempt_is_a_span_and_the_failed_one_says_why(
    gateway: Gateway, upstream: Upstream, recorder: Recorder
) -> None:
    gateway.knows("product-service", NOBODY, upstream)
    spans: list[Record] = []

    def has_retried() -> bool:
        assert gateway.get("/open/x").status == 200
        spans.extend(recorder.take(100))
        return any(span.error for span in spans)

    until(has_retried)
    failed = next(span for span in spans if span.error)

    def is_whole() -> bool:
        spans.extend(recorder.take(100))
        return len(of_trace(spans, failed)) == 3

    until(is_whole)
    request, first, second = of_trace(spans, failed)
    assert first.error.startswith("NotSent")
    assert second.error == ""
    assert {first.parent_id, second.parent_id} == {request.span_id}
    assert len({request.span_id, first.span_id, second.span_id}) == 3
    assert request.attributes["atoll.retries"] == 1
    assert "http.response.status_code" not in first.attributes
    assert (second.attributes["http.request.resend_count"], second.attributes["server.port"]) == (
        1,
        upstream.port,
    )


def of_trace(spans: list[Record], one: Record) -> list[Record]:
    return [span for span in spans if span.trace_id == one.trace_id]


def test_a_failed_request_is_kept_although_it_is_not_sampled(gateway: Gateway, upstream: Upstream) -> None:
    recorder = Recorder(traces_per_s=1e-9)
    former = gateway.components.traces
    gateway.components.traces = RequestTraces(recorder)
    upstream.answers("/open/broken", answer(500, b"{}", "Content-Type: application/json"))
    try:
        assert gateway.request("POST", "/open/broken", b"{}").status == 500
        request, attempt = taken(recorder, 2)
    finally:
        gateway.components.traces = former
    assert (request.error, attempt.error) == ("500", "500")


def test_without_a_recorder_a_clients_trace_passes_through(gateway: Gateway, upstream: Upstream) -> None:
    gateway.get("/open/x", traceparent=f"00-{TRACE}-{SPAN}-01")
    assert upstream.seen[-1].header("traceparent") == f"00-{TRACE}-{SPAN}-01"
    gateway.get("/open/x")
    assert upstream.seen[-1].header("traceparent") is None
