"""The compensations of a cancelled order: asked, confirmed, refused, overdue."""

from datetime import timedelta

import pytest
from django.utils import timezone

from atoll.bus.models import Delivery
from atoll.ids import uuid7
from services.orders.models import Order, OrderCompensation
from services.orders.tests.compensating import IN_TIME, TOO_LATE, commands, compensations, last, tell
from services.orders.tests.placing import placed

pytestmark = pytest.mark.django_db


def waiting(order: Order) -> int:
    """How many deadlines of compensations are still to come."""
    open_timers = Delivery.objects.filter(handler__endswith="on_compensation_overdue", status="pending")
    return open_timers.filter(token__contains=str(order.id)).count()


def test_cancelling_asks_for_both_and_keeps_when_and_until_when(cancelled):
    rows = list(cancelled.compensations.all())
    assert [(row.kind, row.state, row.asks, row.ended_at, row.ended_by) for row in rows] == [
        ("release.stock", "asked", 1, None, ""),
        ("refund.payment", "asked", 1, None, ""),
    ]
    assert {row.due_at - row.asked_at for row in rows} == {timedelta(seconds=900)}
    assert waiting(cancelled) == 2
    assert last(cancelled) == ("cancel.requested", "release.stock asked, refund.payment asked", False)


@pytest.mark.parametrize("how", ["stock.rejected", "payment.completed"])
def test_an_order_that_asked_for_nothing_or_kept_everything_has_nothing_to_undo(atoll_bus, how):
    order = placed()
    if how == "payment.completed":
        tell(atoll_bus, "stock.reserved", order)
    tell(atoll_bus, how, order, shortages=[])
    assert compensations(order) == {}
    for late in ("stock.released", "stock.returned", "payment.voided", "payment.refund_failed"):
        tell(atoll_bus, late, order)
        assert last(order) == (late, "", True)
    assert compensations(order) == {}


@pytest.mark.parametrize("answer", ["payment.refunded", "payment.voided"])
def test_confirmations_end_the_waiting_once_and_are_kept_when_repeated(atoll_bus, cancelled, answer):
    tell(atoll_bus, "stock.released", cancelled, times=2)
    tell(atoll_bus, answer, cancelled, times=2)

    assert compensations(cancelled) == {"release.stock": "done", "refund.payment": "done"}
    assert waiting(cancelled) == 0
    told = [(e.event, e.undoing, e.ignored) for e in cancelled.history.all()][-4:]
    assert told == [
        ("stock.released", "release.stock done", False),
        ("stock.released", "", True),
        (answer, "refund.payment done", False),
        (answer, "", True),
    ]
    refund = cancelled.compensations.get(kind="refund.payment")
    assert refund.ended_by == answer
    assert refund.ended_at is not None
    atoll_bus.run_due(timezone.now() + timedelta(days=1))
    assert compensations(cancelled) == {"release.stock": "done", "refund.payment": "done"}


def test_what_nobody_confirms_in_time_needs_attention_and_a_late_confirmation_heals_it(atoll_bus, cancelled):
    atoll_bus.run_due(timezone.now() + IN_TIME)
    assert compensations(cancelled) == {"release.stock": "asked", "refund.payment": "asked"}

    tell(atoll_bus, "stock.released", cancelled)
    atoll_bus.run_due(timezone.now() + TOO_LATE)

    assert compensations(cancelled) == {"release.stock": "done", "refund.payment": "failed"}
    refund = cancelled.compensations.get(kind="refund.payment")
    assert (refund.ended_by, refund.reason) == ("refund.overdue", "not confirmed in time")
    assert last(cancelled) == ("refund.overdue", "refund.payment failed", False)
    assert Order.objects.get(pk=cancelled.pk).status == "cancelled"

    tell(atoll_bus, "payment.refunded", cancelled, reason="changed my mind")

    assert compensations(cancelled) == {"release.stock": "done", "refund.payment": "done"}
    assert last(cancelled) == ("payment.refunded", "refund.payment done", False)


def test_a_refusal_needs_attention_at_once_with_the_reason_that_was_given(atoll_bus, cancelled):
    tell(atoll_bus, "payment.refund_failed", cancelled, reason="ledgers_disagree")
    tell(atoll_bus, "stock.release_failed", cancelled, reason="already_sold")

    assert compensations(cancelled) == {"release.stock": "failed", "refund.payment": "failed"}
    assert set(cancelled.compensations.values_list("reason", flat=True)) == {
        "ledgers_disagree",
        "already_sold",
    }
    assert waiting(cancelled) == 0


def test_a_refusal_after_the_confirmation_is_kept_and_ignored(atoll_bus, cancelled):
    tell(atoll_bus, "payment.refunded", cancelled)
    tell(atoll_bus, "payment.refund_failed", cancelled, reason="ledgers_disagree")
    assert compensations(cancelled)["refund.payment"] == "done"
    assert last(cancelled) == ("payment.refund_failed", "", True)


def test_a_failed_payment_confirms_no_refund(atoll_bus, cancelled):
    """Payments says so of a late charge too, while an earlier one may still have taken the money."""
    tell(atoll_bus, "payment.failed", cancelled, reason="cancelled")
    assert compensations(cancelled)["refund.payment"] == "asked"
    assert last(cancelled) == ("payment.failed", "", True)


def test_a_payment_that_completes_after_all_is_refunded_once_more_with_a_new_deadline(atoll_bus, cancelled):
    tell(atoll_bus, "payment.voided", cancelled)

    tell(atoll_bus, "payment.completed", cancelled)

    refund = cancelled.compensations.get(kind="refund.payment")
    assert (refund.state, refund.asks, refund.ended_at) == ("asked", 2, None)
    assert commands(atoll_bus) == ["release.stock", "refund.payment", "refund.payment"]
    assert waiting(cancelled) == 2


def test_a_deadline_after_the_confirmation_and_of_an_order_without_compensation_is_kept_and_ignored(
    atoll_bus, cancelled
):
    tell(atoll_bus, "payment.refunded", cancelled)
    confirmed = placed()
    tell(atoll_bus, "stock.reserved", confirmed)
    tell(atoll_bus, "payment.completed", confirmed)
    for order in (cancelled, confirmed):
        tell(atoll_bus, "expire.compensation", order, compensation="refund.payment", ask=1)
        assert last(order) == ("refund.overdue", "", True)
    assert compensations(cancelled)["refund.payment"] == "done"


def test_a_deadline_that_names_no_compensation_is_a_dead_letter(atoll_bus, cancelled):
    (row,) = atoll_bus.deliver(
        "expire.compensation",
        {"orderId": str(cancelled.id), "compensation": "the.universe", "ask": 1},
        times=1,
    )
    assert atoll_bus.dead() == [row]
    assert compensations(cancelled) == {"release.stock": "asked", "refund.payment": "asked"}


@pytest.mark.parametrize(
    "event",
    ["stock.released", "stock.release_failed", "payment.refunded", "payment.voided", "payment.refund_failed"],
)
def test_an_answer_about_an_order_we_never_had_is_ignored(atoll_bus, event):
    rows = atoll_bus.deliver(event, {"orderId": str(uuid7()), "reason": "x"})
    assert {row.status for row in rows} == {"ignored"}
    assert OrderCompensation.objects.count() == 0


@pytest.mark.parametrize(
    ("answers", "refund"),
    [
        ([], "pending"),
        (["payment.refunded"], "done"),
        (["payment.voided"], None),
        (["payment.refund_failed"], "failed"),
        (["payment.refund_failed", "payment.refunded"], "done"),
    ],
)
def test_the_customer_sees_how_the_refund_stands(atoll_bus, atoll_as_user, cancelled, answers, refund):
    for answer in answers:
        tell(atoll_bus, answer, cancelled, reason="x")
    client = atoll_as_user(cancelled.user_id)
    assert client.get(f"/orders/{cancelled.id}").json()["refund"] == refund
    assert client.get("/orders").json()[0]["refund"] == refund


def test_an_order_that_is_not_cancelled_shows_no_refund_and_its_history_tells_what_was_ignored(
    atoll_bus, atoll_as_user
):
    order = placed()
    tell(atoll_bus, "stock.reserved", order, times=2)
    seen = atoll_as_user(order.user_id).get(f"/orders/{order.id}").json()
    assert seen["refund"] is None
    assert [(e["event"], e["moved"], e["ignored"]) for e in seen["history"]] == [
        ("order.placed", True, False),
        ("stock.reserved", True, False),
        ("stock.reserved", False, True),
    ]
