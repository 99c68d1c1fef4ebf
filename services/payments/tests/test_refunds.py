"""refund.payment in every order of arrival; each command arrives twice unless the test says otherwise."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.utils import timezone

from services.payments import handlers
from services.payments.models import Payment, SandboxCharge, SandboxRefund
from services.payments.provider import Cancellation, provider
from services.payments.provider.sandbox import SandboxProvider
from services.payments.tests.asking import order, provider_away, refund, taken


def test_a_completed_payment_is_refunded_once_and_announced(atoll_bus):
    wanted = order()
    atoll_bus.deliver("process.payment", wanted)

    rows = atoll_bus.deliver("refund.payment", refund(wanted))

    assert {row.status for row in rows} == {"done"}
    payment = Payment.objects.get()
    assert (payment.status, payment.reason) == ("refunded", "changed_mind")
    assert payment.refund_reference == f"re_{SandboxRefund.objects.get().id.hex}"
    assert taken() == 0
    data = atoll_bus.published("payment.refunded")[0]["data"]
    assert (data["orderId"], data["paymentId"]) == (wanted["orderId"], str(payment.id))
    assert (data["amount"], data["reason"]) == (59.8, "changed_mind")


def test_a_refund_before_the_charge_makes_the_charge_refused(atoll_bus):
    wanted = order()

    atoll_bus.deliver("refund.payment", refund(wanted))
    assert list(Payment.objects.values_list("status", "amount")) == [("refused", None)]
    atoll_bus.deliver("process.payment", wanted)

    payment = Payment.objects.get()
    assert (payment.status, payment.reason, payment.amount) == ("refused", "cancelled", Decimal("59.80"))
    assert SandboxCharge.objects.count() == 0
    assert [event["eventType"] for event in atoll_bus.published()] == ["payment.voided"] * 2 + [
        "payment.failed"
    ] * 2
    assert {event["data"]["reason"] for event in atoll_bus.published()} == {"cancelled"}
    assert {event["data"]["paymentId"] for event in atoll_bus.published()} == {str(payment.id)}


def test_a_charge_after_the_refund_is_refused(atoll_bus):
    wanted = order()
    atoll_bus.deliver("process.payment", wanted, times=1)
    atoll_bus.deliver("refund.payment", refund(wanted), times=1)

    atoll_bus.deliver("process.payment", wanted, times=1)

    assert Payment.objects.get().status == "refunded"
    assert taken() == 0
    assert atoll_bus.published("payment.failed")[0]["data"]["reason"] == "cancelled"
    assert SandboxCharge.objects.count() == 1


def test_a_refund_of_a_failed_payment_changes_nothing(atoll_bus):
    wanted = order("card-declined")
    atoll_bus.deliver("process.payment", wanted)

    atoll_bus.deliver("refund.payment", refund(wanted))

    assert Payment.objects.get().status == "failed"
    assert atoll_bus.published("payment.refunded") == []
    assert [event["data"]["orderId"] for event in atoll_bus.published("payment.voided")] == [
        wanted["orderId"]
    ] * 2
    assert taken() == 0


@pytest.mark.parametrize(("method", "status"), [("card-timeout", "refunded"), ("card-flaky", "refused")])
def test_a_refund_while_the_outcome_is_unknown_takes_back_whatever_was_taken(
    atoll_bus, monkeypatch, method, status
):
    wanted = order(method)
    monkeypatch.setattr(handlers.CHARGE_RETRY.__class__, "wait_after", lambda *_: timedelta(seconds=60))
    (row,) = atoll_bus.deliver("process.payment", wanted, times=1)
    assert row.status == "pending"
    monkeypatch.undo()

    atoll_bus.deliver("refund.payment", refund(wanted))
    atoll_bus.run_due(timezone.now() + timedelta(minutes=2))

    assert Payment.objects.get().status == status
    assert taken() == 0
    assert atoll_bus.published("payment.completed") == []
    assert atoll_bus.published("payment.failed")[0]["data"]["reason"] == "cancelled"


def test_a_refund_between_the_provider_s_answer_and_its_settlement(atoll_bus):
    command = handlers.PaymentOfOrder(
        order_id=uuid4(), user_id=uuid4(), amount=Decimal("59.80"), currency="EUR", payment_method="card"
    )
    wanted = {"orderId": str(command.order_id)}
    captured = handlers.charge_at_provider(command, None)

    atoll_bus.deliver("refund.payment", refund(wanted))
    handlers.settle_payment(command.order_id, captured)

    assert Payment.objects.get().status == "refunded"
    assert taken() == 0
    assert atoll_bus.published("payment.completed") == []


def test_a_charge_that_reaches_the_provider_after_the_refund_takes_nothing(atoll_bus):
    command = handlers.PaymentOfOrder(
        order_id=uuid4(), user_id=uuid4(), amount=Decimal("59.80"), currency="EUR", payment_method="card"
    )
    payment = handlers.request_payment(
        command.order_id, user_id=command.user_id, amount=command.amount, currency="EUR", method="card"
    )
    assert payment.may_be_charged

    atoll_bus.deliver("refund.payment", {"orderId": str(command.order_id), "reason": "changed_mind"})
    late = provider().charge(
        payment.key, minor_units=5980, currency="EUR", method="card", memo=str(command.order_id)
    )
    handlers.settle_payment(command.order_id, late)

    assert Payment.objects.get().status == "refused"
    assert taken() == 0
    assert SandboxCharge.objects.get().state == "cancelled"


def test_ledgers_that_disagree_are_a_dead_letter_and_the_payment_stays(atoll_bus, monkeypatch):
    wanted = order()
    atoll_bus.deliver("process.payment", wanted)
    monkeypatch.setattr(SandboxProvider, "cancel", lambda *_: Cancellation())

    (row,) = atoll_bus.deliver("refund.payment", refund(wanted), times=1)

    assert atoll_bus.dead() == [row]
    assert "Compare the two ledgers" in row.error
    payment = Payment.objects.get()
    assert payment.status == "completed"
    (failed,) = (event["data"] for event in atoll_bus.published("payment.refund_failed"))
    assert (failed["orderId"], failed["paymentId"]) == (wanted["orderId"], str(payment.id))
    assert (failed["amount"], failed["reason"]) == (59.8, "ledgers_disagree")
    assert atoll_bus.published("payment.refunded") == atoll_bus.published("payment.voided") == []


def test_a_refund_that_never_reaches_the_provider_is_announced_as_failed_once_and_can_be_asked_again(
    atoll_bus, monkeypatch
):
    wanted = order()
    atoll_bus.deliver("process.payment", wanted, times=1)
    monkeypatch.setattr(SandboxProvider, "cancel", provider_away)

    (row,) = atoll_bus.deliver("refund.payment", refund(wanted), times=1)
    hours = 0
    while row.status != "dead":
        assert atoll_bus.published("payment.refund_failed") == []
        hours += 1
        atoll_bus.run_due(timezone.now() + timedelta(hours=hours))
        row.refresh_from_db()

    assert (atoll_bus.dead(), row.attempts) == ([row], handlers.REFUND_RETRY.attempts)
    (failed,) = (event["data"] for event in atoll_bus.published("payment.refund_failed"))
    assert failed["reason"] == "provider_unavailable"
    assert (Payment.objects.get().status, taken()) == ("completed", Decimal("59.80"))

    monkeypatch.undo()
    atoll_bus.deliver("refund.payment", refund(wanted), times=1)
    assert (Payment.objects.get().status, taken()) == ("refunded", 0)
    assert len(atoll_bus.published("payment.refunded")) == 1


@pytest.mark.parametrize("method", ["card", "card-declined", "card-timeout", "card-flaky", None])
def test_every_refund_is_answered_with_refunded_or_voided_each_time_it_is_asked(atoll_bus, method):
    wanted = order(method or "card")
    if method:
        atoll_bus.deliver("process.payment", wanted, times=1)

    atoll_bus.deliver("refund.payment", refund(wanted), times=3)

    answers = [
        event["eventType"]
        for event in atoll_bus.published()
        if event["eventType"] not in ("payment.completed", "payment.failed")
    ]
    expected = "payment.voided" if method in (None, "card-declined") else "payment.refunded"
    assert answers == [expected] * 3
    assert taken() == 0
