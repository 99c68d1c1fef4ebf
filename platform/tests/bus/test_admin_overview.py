"""The pages with the bus's counts and with the trace of a message."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from testproject.handlers import NoteWritten

from atoll import context
from atoll.bus import Message, Retry, on, publish
from atoll.bus.admin import overview as page
from atoll.bus.models import Delivery
from atoll.bus.operations import message_trace
from atoll.bus.operations.message_trace import Trace
from atoll.discovery import Instance
from atoll.identity.roles import CATALOGUE, OPERATOR
from atoll.testing.bus import Bus
from atoll.testing.rights import member

pytestmark = pytest.mark.usefixtures("handlers")

OVERVIEW, FIGURES, WHERE = (
    f"/admin/atoll_bus/{name}" for name in ("overview/", "overview/figures/", "where/")
)
CORRELATION = "checkout-4711"


@pytest.fixture(autouse=True)
def no_registry() -> Iterator[None]:
    """Empty the cache of workers. Without a registry the page says so."""
    workers = page._workers
    workers.clear()
    yield
    workers.clear()


@pytest.fixture
def blocked(atoll_bus: Bus) -> Delivery:
    @on("note.asked", retry=Retry(immediate=0, delayed_s=()))
    def fail(event: dict[str, Any], message: Message) -> None:
        raise ValueError("<b>no</b>")

    [row] = atoll_bus.deliver("note.asked", {}, times=1, correlation_id=CORRELATION)
    Delivery.objects.filter(pk=row.pk).update(lane="test-service/box-1", position=1)
    return row


def test_the_overview_shows_the_counts_and_refreshes_them(staff: Client) -> None:
    answer = staff.get(OVERVIEW)
    shown = answer.content.decode()
    assert answer.status_code == 200
    assert f'data-refresh="{FIGURES}"' in shown
    assert "atoll/admin/refresh.js" in shown
    for title in ("To publish", "Due", "Running", "Dead letters", "Quarantine", "Blocked lanes", "Timers"):
        assert title in shown


def test_a_refresh_sends_the_counts_only(staff: Client, blocked: Delivery) -> None:
    answer = staff.get(FIGURES)
    part = answer.content.decode()
    assert "<html" not in part
    assert "no-store" in answer["Cache-Control"]
    assert "test-service/box-1" in part
    assert "&lt;b&gt;no&lt;/b&gt;" in part
    assert "<b>no" not in part
    for address in ("change", "replay", "discard"):
        assert f"/admin/atoll_bus/delivery/{blocked.pk}/{address}" in part


def test_counts_that_take_too_long_are_reported(staff: Client, monkeypatch: Any) -> None:
    def too_long() -> None:
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr("atoll.bus.operations.stats.ledger_counts", too_long)
    for address in (OVERVIEW, FIGURES):
        answer = staff.get(address)
        assert answer.status_code == 200
        assert "took too long" in answer.content.decode()


def test_the_workers_are_those_that_renew_their_lease(staff: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(page, "_workers", lambda: None)
    assert "the registry does not tell" in staff.get(FIGURES).content.decode()
    monkeypatch.setattr(page, "_workers", lambda: ())
    assert "none is registered" in staff.get(FIGURES).content.decode()
    monkeypatch.setattr(page, "_workers", lambda: (Instance("library-service.worker-1", "h", 0),))
    assert "library-service.worker-1" in staff.get(FIGURES).content.decode()


def test_without_a_registry_no_workers_are_listed(staff: Client, monkeypatch: Any) -> None:
    assert "<dt>Workers</dt>" in staff.get(FIGURES).content.decode()
    monkeypatch.setattr("atoll.conf.has_registry", lambda: False)
    figures = staff.get(FIGURES).content.decode()
    assert "Signs of life" in figures
    assert "<dt>Workers</dt>" not in figures


@pytest.mark.parametrize("address", [OVERVIEW, FIGURES, WHERE, "/admin/atoll_bus/dead-letters/"])
def test_the_pages_are_for_staff_with_the_role(client: Client, staff: Client, address: str):
    assert staff.get(address).status_code == 200
    member(OPERATOR, username="ada")
    assert staff.get(address).status_code == 200
    member(CATALOGUE, username="ada")
    refused = staff.get(address)
    assert refused.status_code == 403
    assert "This page needs the role <b>support or operator or administrator</b>" in refused.content.decode()
    assert "You hold: catalogue." in refused.content.decode()
    staff.logout()
    assert "/login/" in staff.get(address)["Location"]


def test_the_menu_leads_to_the_pages(staff: Client) -> None:
    menu = staff.get("/admin/").content.decode()
    for address in (OVERVIEW, WHERE, "/admin/atoll_bus/dead-letters/"):
        assert f'href="{address}"' in menu
    assert FIGURES not in menu
    assert OVERVIEW in staff.get("/admin/atoll_bus/").content.decode()


def test_a_message_is_followed_through_all_services(
    staff: Client, blocked: Delivery, monkeypatch: Any
) -> None:
    with context.work(correlation_id=CORRELATION):
        publish(NoteWritten("secret text"))
    ours = message_trace.local_trace(CORRELATION)
    theirs = Trace(service="order-service", steps=ours.steps[:1], is_cut=True)
    away = Trace(service="payment-service", problem="not answering (payment-service: no instance)")
    asked: list[str] = []
    monkeypatch.setattr(
        "atoll.bus.operations.message_trace.platform_traces",
        lambda wanted: asked.append(wanted) or [ours, theirs, away],
    )
    answer = staff.get(WHERE, {"q": f" {CORRELATION} "})

    shown = answer.content.decode()
    assert asked == [CORRELATION]
    assert [line.step.at for line in answer.context["lines"]] == sorted(
        step.at for step in (*ours.steps, *theirs.steps)
    )
    assert "not answering" in shown
    assert "1+, the first 200 are shown" in shown
    assert "secret text" not in shown
    assert "&lt;b&gt;no&lt;/b&gt;" in shown
    assert shown.count(f"/admin/atoll_bus/delivery/{blocked.pk}/change/") == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("done", "handled by"),
        ("cancelled", "cancelled, was for"),
        ("dead", "died in"),
        ("pending", "waits for"),
    ],
)
def test_a_trace_says_what_became_of_a_delivery(
    staff: Client, blocked: Delivery, monkeypatch: Any, status: str, words: str
) -> None:
    ours = message_trace.local_trace(CORRELATION)
    [step] = [replace(step, status=status) for step in ours.steps if step.what == "handled"]
    monkeypatch.setattr(
        "atoll.bus.operations.message_trace.platform_traces",
        lambda wanted: [replace(ours, steps=[step])],
    )
    answer = staff.get(WHERE, {"q": CORRELATION})
    assert [line.deed for line in answer.context["lines"]] == [words]
    assert f"{words} <span" in answer.content.decode()


def test_without_an_id_nobody_is_asked(staff: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr("atoll.bus.operations.message_trace.platform_traces", None)
    assert staff.get(WHERE).status_code == 200
    assert staff.get(WHERE, {"q": "  "}).status_code == 200
    answer = staff.get(WHERE, {"q": "x" * 301})
    assert answer.status_code == 200
    assert "No id has more than 300 characters" in answer.content.decode()


def test_an_unknown_id_is_reported(staff: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "atoll.bus.operations.message_trace.platform_traces",
        lambda wanted: [message_trace.local_trace(wanted)],
    )
    answer = staff.get(WHERE, {"q": "<script>"})
    assert "No service that answered knows this id" in answer.content.decode()
    assert 'value="&lt;script&gt;"' in answer.content.decode()
