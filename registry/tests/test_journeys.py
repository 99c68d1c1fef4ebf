"""A journey as a picture: its order, its scale, and its pages."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from atoll.testing.rights import member
from registry.console import search
from registry.console.traces.views import span_of_time
from registry.models import Journey, Span
from registry.traces import journey
from registry.traces.scale import WIDTH, Scale
from registry.traces.store import delete_old

TRACE = UUID("4bf92f3577b34da6a3ce929d0e0e4736")
CORRELATION = "01a22399-1cbd-76d4-ba0f-a320b066afcb"
BEGIN = datetime(2026, 11, 28, 10, tzinfo=UTC)


def span(number: int, parent: int = 0, *, at_ms: int = 0, ms: int = 10, **fields: Any) -> Span:
    values: dict[str, Any] = {
        "trace_id": TRACE,
        "span_id": f"{number:016x}",
        "parent_id": f"{parent:016x}" if parent else "",
        "correlation_id": CORRELATION,
        "service": "order-service",
        "instance": "o-1",
        "process": "serve",
        "name": f"span {number}",
        "kind": "server",
        "started_at": BEGIN + timedelta(milliseconds=at_ms),
        "duration_us": ms * 1000,
        "error": "",
    }
    return Span(pk=number, **(values | fields))


def drawn(*spans: Span) -> list[tuple[str, int, bool]]:
    ordered = sorted(spans, key=lambda one: one.started_at)
    return [(row.span.name, row.depth, row.is_cut_off) for row in journey.picture(ordered).rows]


def test_a_span_stands_below_its_cause():
    assert drawn(span(1), span(2, 1, at_ms=1), span(3, 1, at_ms=5), span(4, 2, at_ms=7)) == [
        ("span 1", 0, False),
        ("span 2", 1, False),
        ("span 4", 2, False),
        ("span 3", 1, False),
    ]


def test_a_span_whose_cause_is_missing_says_so():
    assert drawn(span(1), span(3, 9, at_ms=5), span(4, 3, at_ms=7)) == [
        ("span 1", 0, False),
        ("span 3", 0, True),
        ("span 4", 1, False),
    ]


def test_spans_that_name_each_other_as_their_cause_are_shown_once():
    names = [name for name, _, _ in drawn(span(1, 2), span(2, 1, at_ms=1), span(3, 3, at_ms=2))]
    assert sorted(names) == ["span 1", "span 2", "span 3"]


def test_a_deep_journey_is_drawn():
    spans = [span(number, number - 1, at_ms=number) for number in range(1, 600)]
    assert max(depth for _, depth, _ in drawn(*spans)) == journey.MAX_DEPTH


def test_a_long_wait_is_cut_short_and_told():
    found = journey.picture([span(1, ms=100), span(2, 1, at_ms=900_000, ms=100)])
    (cut,) = found.scale.cuts
    assert cut.wait == timedelta(seconds=899.9)
    assert cut.width < WIDTH / 10
    assert [row.width for row in found.rows] == [470.0, 470.0]


moments = st.integers(0, 10_000_000).map(lambda ms: BEGIN + timedelta(milliseconds=ms))


@given(st.lists(st.tuples(moments, st.integers(0, 60_000)), min_size=1, max_size=40))
def test_every_span_is_inside_of_the_picture_and_in_its_order(told: list[tuple[datetime, int]]):
    busy = sorted((begin, begin + timedelta(milliseconds=ms)) for begin, ms in told)
    scale = Scale(busy)
    places = [scale.place(begin) for begin, _ in busy]
    assert places == sorted(places)
    for begin, end in busy:
        assert 0 <= scale.place(begin) <= scale.place(end) <= WIDTH + 0.01


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(microseconds=850), "850 µs"),
        (timedelta(milliseconds=12.34), "12.3 ms"),
        (timedelta(seconds=1.25), "1.25 s"),
        (timedelta(seconds=245), "4 min 5 s"),
        (timedelta(hours=2, minutes=3), "2 h 3 min"),
    ],
)
def test_a_time_is_written_for_people(value: timedelta, text: str):
    assert span_of_time(value) == text


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    client.force_login(member("support"), backend="atoll.identity.backends.AccountBackend")
    return client


@pytest.fixture
def stored(db: None) -> list[Span]:
    now = timezone.now()
    spans = [
        span(1, name="POST orders", service="api-gateway", process="edge"),
        span(2, 1, at_ms=5, name="POST /orders", attributes={"url.path": "/orders/<b>"}),
        span(3, 2, at_ms=8, name="process <script>alert(1)</script>", kind="consumer", error="KeyError: 'a'"),
    ]
    for one in spans:
        one.started_at += now - BEGIN
        one.pk = None
    Span.objects.bulk_create(spans)
    Journey.objects.create(
        trace_id=TRACE, correlation_id=CORRELATION, name="POST orders", service="api-gateway",
        started_at=now, ended_at=now + timedelta(seconds=2), spans=3, errors=1, slowest_us=10_000,
        request_us=10_000,
    )  # fmt: skip
    return spans


@pytest.mark.parametrize("identifier", [CORRELATION, TRACE.hex, str(TRACE)])
def test_a_journey_opens_by_correlation_and_by_trace_id(staff, stored, identifier):
    page = staff.get(f"/console/journeys/{identifier}").content.decode()
    for text in ("POST orders", "POST /orders", "KeyError", "1 error", "api-gateway", CORRELATION):
        assert text in page
    assert "<script>alert" not in page
    assert "/orders/&lt;b&gt;" in page
    assert "style=" not in page


@pytest.mark.parametrize(
    "identifier", ["unknown-1", "0" * 32, "x" * 500, "%F0%9F%90%9A", "'; DROP TABLE registry_span"]
)
def test_an_unknown_journey_is_a_page_that_says_so(staff, stored, identifier):
    answer = staff.get(f"/console/journeys/{identifier}")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("identifier", ["a/b", "x" * 500, "http://127.0.0.1/orders"])
def test_an_id_that_no_journey_can_have_is_said_to_be_unknown(staff, stored, identifier):
    answer = staff.get("/console/journeys", {"id": identifier})
    assert answer.status_code == 404
    assert identifier[:200] in answer.content.decode()


def test_a_nul_in_the_address_is_refused(staff):
    assert staff.get("/console/journeys/%00").status_code in (400, 404)


def test_the_list_selects_failed_and_slow_journeys(staff, stored):
    assert "POST orders" in staff.get("/console/journeys").content.decode()
    assert "POST orders" in staff.get("/console/journeys?show=failed").content.decode()
    assert "POST orders" not in staff.get("/console/journeys?show=slow").content.decode()
    assert staff.get("/console/journeys?show=nonsense").status_code == 200
    answer = staff.get("/console/journeys", {"id": f" {CORRELATION} "})
    assert answer["Location"] == f"/console/journeys/{CORRELATION}"


@pytest.mark.parametrize("identifier", [CORRELATION, TRACE.hex])
def test_a_search_for_work_without_messages_opens_its_journey(staff, stored, monkeypatch, identifier):
    monkeypatch.setattr(search, "asked", lambda wanted: [])
    answer = staff.get("/console/search", {"q": identifier})
    assert answer["Location"] == f"/console/journeys/{identifier}"

    messages = search.Hit("Messages", "2 steps in order-service", "https://orders.example/admin/")
    monkeypatch.setattr(search, "asked", lambda wanted: [messages])
    listed = staff.get("/console/search", {"q": identifier}).context["hits"]
    assert [hit.kind for hit in listed if hit.is_known] == ["Journey", "Messages"]
    assert staff.get("/console/search", {"q": "a/b"}).status_code == 200


def test_journeys_are_for_staff_alone(client, stored):
    for address in ("/console/journeys", f"/console/journeys/{CORRELATION}"):
        answer = client.get(address)
        assert answer.status_code == 302
        assert b"POST orders" not in answer.content


def test_a_journey_that_was_deleted_is_not_found(staff, stored):
    delete_old(older_than_s=-60)
    assert staff.get(f"/console/journeys/{CORRELATION}").status_code == 404
