"""``POST /spans``: what the store takes, refuses, bounds and forgets."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from registry.http.pools import SPANS
from registry.models import Journey, Span
from registry.tests.conftest import SERVICE
from registry.traces import batch, store
from registry.traces.store import SpanStore, delete_old

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(autouse=True)
def no_thread_stays() -> Any:
    yield
    SPANS.close()


def span(number: int = 1, **fields: Any) -> dict[str, Any]:
    values = {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        "parentId": "" if number == 1 else f"{1:016x}",
        "correlationId": "01a22399-1cbd-76d4-ba0f-a320b066afcb",
        "name": "GET /orders",
        "kind": "server",
        "startedUs": int(time.time() * 1_000_000),
        "durationUs": 1500,
        "error": "",
        "attributes": {"http.response.status_code": 200},
    }
    return values | fields


def told(*spans: dict[str, Any], **fields: Any) -> dict[str, Any]:
    named = {"serviceName": SERVICE, "instanceId": "o-1", "process": "serve", "spans": list(spans)}
    return named | fields


def test_spans_are_stored_once_and_their_journey_is_counted(wire):
    body = told(span(1, name="POST /orders"), span(2, error="500", durationUs=2_000_000))
    for _ in range(2):
        answer = asyncio.run(wire("POST", "/spans", body))
        assert (answer.status, answer.body["accepted"], answer.body["dropped"]) == (202, 2, 0)
    assert Span.objects.count() == 2
    journey = Journey.objects.get()
    assert (journey.name, journey.service, journey.spans, journey.errors) == ("POST /orders", SERVICE, 2, 1)
    assert (journey.request_us, journey.slowest_us) == (1500, 2_000_000)
    assert answer.body["wanted"] == [TRACE]


def test_the_parts_of_a_journey_arrive_in_any_order(wire):
    asyncio.run(wire("POST", "/spans", told(span(3, name="process order.created"))))
    asyncio.run(wire("POST", "/spans", told(span(1, name="POST /orders"))))
    journey = Journey.objects.get()
    assert (journey.name, journey.spans) == ("POST /orders", 2)
    assert journey.bad_at is None


@pytest.mark.parametrize(
    "fields",
    [
        {"traceId": "0" * 32},
        {"traceId": TRACE.upper()},
        {"traceId": None},
        {"spanId": "1"},
        {"parentId": "x" * 16},
        {"correlationId": "<script>"},
        {"name": "n" * 201},
        {"name": 7},
        {"kind": "sever"},
        {"kind": []},
        {"startedUs": 0},
        {"startedUs": True},
        {"startedUs": 2**62},
        {"startedUs": "now"},
        {"durationUs": -1},
        {"durationUs": 1.5},
        {"error": "e" * 513},
        {"attributes": []},
        {"attributes": {"a": {"b": 1}}},
        {"attributes": {"a": None}},
        {"attributes": {f"k{number}": 1 for number in range(33)}},
        {"attributes": {"a": "v" * 9000}},
    ],
)
def test_a_malformed_span_is_refused_and_nothing_is_stored(wire, fields):
    answer = asyncio.run(wire("POST", "/spans", told(span(1), span(2, **fields))))
    assert answer.status == 400, answer.body
    assert answer.body["code"] == "invalid_field"
    assert not Span.objects.exists()


@pytest.mark.parametrize(
    "body",
    [told(spans={}), told(spans=[1]), told(process=""), told(instanceId=7), [], told(spans=[{}] * 501)],
)
def test_a_malformed_batch_is_refused(wire, body):
    assert asyncio.run(wire("POST", "/spans", body)).status == 400


def test_only_a_service_of_the_platform_tells_spans_and_only_its_own(wire):
    assert asyncio.run(wire("POST", "/spans", told(span()), secret=None)).status == 401
    assert asyncio.run(wire("POST", "/spans", told(span()), secret="wrong")).status == 401
    answer = asyncio.run(wire("POST", "/spans", told(span(), serviceName="payment-service")))
    assert (answer.status, answer.body["code"]) == (403, "not_your_service")
    assert asyncio.run(wire("GET", "/spans")).status == 405
    assert not Span.objects.exists()


def test_a_large_batch_is_taken_and_a_larger_one_refused(wire):
    spans = [span(number, attributes={"a": "v" * 150}) for number in range(1, 401)]
    assert asyncio.run(wire("POST", "/spans", told(*spans))).body["accepted"] == 400
    too_large = b"x" * (batch.MAX_BODY_BYTES + 1)
    assert asyncio.run(wire("POST", "/spans", raw=too_large)).status == 413


@pytest.mark.django_db
def test_beyond_the_bound_of_a_minute_only_failed_and_slow_spans_are_kept():
    now = [0.0]
    spans = SpanStore(spans_per_minute=4, clock=lambda: now[0])
    good = batch.read(told(*(span(number) for number in range(1, 11))))
    assert spans.store(good).accepted == 4
    bad = batch.read(told(*(span(number, error="500") for number in range(11, 21))))
    assert spans.store(bad).accepted == 1
    now[0] = 61.0
    assert spans.store(batch.read(told(span(30)))).accepted == 1


@pytest.mark.django_db
def test_the_database_is_asked_once_a_second_which_traces_are_wanted(django_assert_num_queries):
    now = [0.0]
    spans, of_another_process = SpanStore(clock=lambda: now[0]), SpanStore()
    nothing = batch.read(told())
    assert spans.store(nothing).wanted == []
    of_another_process.store(batch.read(told(span(1, error="500"))))
    with django_assert_num_queries(0):
        assert spans.store(nothing).wanted == []
    now[0] = store.READ_EVERY_S
    assert spans.store(nothing).wanted == [TRACE]
    other = "b" * 32
    told_now = spans.store(batch.read(told(span(2, traceId=other, durationUs=1_000_000))))
    assert sorted(told_now.wanted) == sorted([TRACE, other])


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["naïve \\ 🐚", '"}]', "%s %(spans)s", "\u2028 \ud7ff"])
def test_texts_arrive_as_they_were_told(text):
    SpanStore().store(batch.read(told(span(1, name=text, error=text, attributes={text: text, "n": 1.5}))))
    kept = Span.objects.get()
    assert (kept.name, kept.error, kept.attributes) == (text, text, {text: text, "n": 1.5})


@pytest.mark.django_db
def test_a_minute_has_a_bound_in_bytes(monkeypatch):
    monkeypatch.setattr(store, "BYTES_PER_MINUTE", 1000)
    taken = SpanStore().store(batch.read(told(*(span(number) for number in range(1, 21)))))
    assert 0 < taken.accepted < 10


@pytest.mark.django_db
def test_what_is_older_than_an_hour_is_deleted():
    spans = SpanStore()
    spans.store(batch.read(told(span(1))))
    other = {"traceId": "a" * 32}
    spans.store(batch.read(told(span(1, **other))))
    past = timedelta(hours=2)
    Span.objects.filter(trace_id=TRACE).update(received_at=F("received_at") - past)
    Journey.objects.filter(trace_id=TRACE).update(
        started_at=F("started_at") - past, ended_at=F("ended_at") - past
    )
    delete_old()
    assert [one.trace_id.hex for one in Span.objects.all()] == ["a" * 32]
    assert [one.trace_id.hex for one in Journey.objects.all()] == ["a" * 32]
