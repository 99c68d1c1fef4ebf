"""process.payment in every order of arrival; each command arrives twice unless the test says otherwise."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from services.payments.models import Payment, SandboxCharge
from services.payments.provider.sandbox import SandboxProvider
from services.payments.tests.asking import order, provider_away, refund, taken


def test_a_good_card_is_charged_once_and_announced(atoll_bus):
    wanted = order()

    rows = atoll_bus.deliver("process.payment", wanted)

    assert {row.status for row in rows} == {"done"}
    payment = Payment.objects.get()
    assert (str(payment.order_id), str(payment.user_id)) == (wanted["orderId"], wanted["userId"])
    assert (payment.status, payment.amount, payment.method) == ("completed", Decimal("59.80"), "card")
    assert payment.charge_reference == f"ch_{SandboxCharge.objects.get().id.hex}"
    assert taken() == Decimal("59.80")
    events = atoll_bus.published()
    assert {event["eventType"] for event in events} == {"payment.completed"}
    data = events[0]["data"]
    assert (data["orderId"], data["paymentId"]) == (wanted["orderId"], str(payment.id))
    assert (data["amount"], data["currency"], data["reason"]) == (59.8, "EUR", None)


@pytest.mark.parametrize(
    ("method", "reason"), [("card-declined", "card_declined"), ("pigeon", "unsupported_payment_method")]
)
def test_a_declined_card_fails_the_payment_with_the_reason(atoll_bus, method, reason):
    atoll_bus.deliver("process.payment", order(method))

    payment = Payment.objects.get()
    assert (payment.status, payment.reason) == ("failed", reason)
    assert taken() == 0
    assert {event["eventType"] for event in atoll_bus.published()} == {"payment.failed"}
    assert atoll_bus.published()[0]["data"]["reason"] == reason


@pytest.mark.parametrize("method", ["card-timeout", "card-flaky"])
def test_a_lost_answer_and_a_failure_are_asked_again_with_the_same_key(atoll_bus, method):
    rows = atoll_bus.deliver("process.payment", order(method))

    assert [row.status for row in rows] == ["done", "done"]
    assert rows[0].attempts == 2
    assert Payment.objects.get().status == "completed"
    assert list(SandboxCharge.objects.values_list("state", "requests")) == [("captured", 2)]
    assert taken() == Decimal("59.80")


def test_between_the_attempts_the_payment_is_requested_and_nothing_is_announced(atoll_bus, monkeypatch):
    monkeypatch.setattr(SandboxProvider, "charge", provider_away)

    (row,) = atoll_bus.deliver("process.payment", order(), times=1)

    assert row.status == "pending"
    assert Payment.objects.get().status == "requested"
    assert atoll_bus.published() == []

    monkeypatch.undo()
    atoll_bus.run_due(timezone.now() + timedelta(minutes=1))
    assert Payment.objects.get().status == "completed"
    assert taken() == Decimal("59.80")


def test_a_repeated_request_is_answered_again_without_asking_the_provider(atoll_bus, monkeypatch):
    wanted = order()
    atoll_bus.deliver("process.payment", wanted, times=1)
    monkeypatch.setattr(SandboxProvider, "charge", provider_away)

    (row,) = atoll_bus.deliver("process.payment", wanted, times=1)

    assert row.status == "done"
    first, second = (event["data"] for event in atoll_bus.published("payment.completed"))
    assert first["paymentId"] == second["paymentId"]


@pytest.mark.parametrize(
    "other", [{"amount": Decimal("1.00")}, {"currency": "USD"}, {"paymentMethod": "card-flaky"}]
)
def test_one_order_never_pays_two_different_prices(atoll_bus, other):
    wanted = order()
    atoll_bus.deliver("process.payment", wanted)

    (row,) = atoll_bus.deliver("process.payment", wanted | other, times=1)

    assert atoll_bus.dead() == [row]
    assert Payment.objects.get().amount == Decimal("59.80")
    assert taken() == Decimal("59.80")


@pytest.mark.parametrize(
    "bad",
    [
        {"amount": 0}, {"amount": Decimal("-5.00")}, {"amount": Decimal("1.001")}, {"amount": 10**14},
        {"amount": "much"}, {"currency": "euro"}, {"currency": "eur"}, {"paymentMethod": ""},
        {"paymentMethod": "x" * 65}, {"userId": "me"}, {"orderId": 7}, {"amount": None},
    ],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_a_dead_letter_and_charges_nothing(atoll_bus, bad):
    (row,) = atoll_bus.deliver("process.payment", order() | bad, times=1)

    assert atoll_bus.dead() == [row]
    assert Payment.objects.count() == SandboxCharge.objects.count() == 0
    assert atoll_bus.published() == []


def test_the_events_keep_the_order_s_correlation_id(atoll_bus):
    wanted = order()
    atoll_bus.deliver("process.payment", wanted, correlation_id="shopping-trip-1")
    atoll_bus.deliver("refund.payment", refund(wanted), correlation_id="shopping-trip-1")
    assert {event["correlationId"] for event in atoll_bus.published()} == {"shopping-trip-1"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["card", "card-timeout", "card-flaky"])
def test_the_provider_is_asked_outside_any_transaction(atoll_bus, method):
    wanted = order(method)

    (row,) = atoll_bus.deliver("process.payment", wanted, times=1)
    assert (row.status, Payment.objects.get().status) == ("done", "completed")
    (row,) = atoll_bus.deliver("refund.payment", refund(wanted), times=1)

    assert (row.status, Payment.objects.get().status) == ("done", "refunded")
    assert taken() == 0
