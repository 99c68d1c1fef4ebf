"""What orders asks, in every order it can arrive in; each command twice unless said otherwise."""

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.utils import timezone

from services.payments import handlers
from services.payments.models import Payment, SandboxCharge, SandboxRefund
from services.payments.provider import Cancellation, ProviderUnavailable, provider
from services.payments.provider.sandbox import SandboxProvider


def order(method: str = "card", **more) -> dict:
    return {
        "orderId": str(uuid4()),
        "userId": str(uuid4()),
        "amount": Decimal("59.80"),
        "currency": "EUR",
        "paymentMethod": method,
    } | more


def refund(of: dict) -> dict:
    return {"orderId": of["orderId"], "reason": "changed_mind"}


def taken() -> Decimal:
    """What the provider holds in the end, by its own books."""
    charged = sum(SandboxCharge.objects.filter(state="captured").values_list("amount", flat=True))
    return Decimal(charged) - sum(SandboxRefund.objects.values_list("amount", flat=True))


def test_a_good_card_is_charged_once_and_announced(bus):
    wanted = order()

    rows = bus.deliver("process.payment", wanted)

    assert {row.status for row in rows} == {"done"}
    payment = Payment.objects.get()
    assert (str(payment.order_id), str(payment.user_id)) == (wanted["orderId"], wanted["userId"])
    assert (payment.status, payment.amount, payment.method) == ("completed", Decimal("59.80"), "card")
    assert payment.charge_reference == f"ch_{SandboxCharge.objects.get().id.hex}"
    assert taken() == Decimal("59.80")
    events = bus.published()
    assert {event["eventType"] for event in events} == {"payment.completed"}
    data = events[0]["data"]
    assert (data["orderId"], data["paymentId"]) == (wanted["orderId"], str(payment.id))
    assert (data["amount"], data["currency"], data["reason"]) == (59.8, "EUR", None)


@pytest.mark.parametrize(
    ("method", "reason"), [("card-declined", "card_declined"), ("pigeon", "unsupported_payment_method")]
)
def test_a_declined_card_fails_the_payment_with_the_reason(bus, method, reason):
    bus.deliver("process.payment", order(method))

    payment = Payment.objects.get()
    assert (payment.status, payment.reason) == ("failed", reason)
    assert taken() == 0
    assert {event["eventType"] for event in bus.published()} == {"payment.failed"}
    assert bus.published()[0]["data"]["reason"] == reason


@pytest.mark.parametrize("method", ["card-timeout", "card-flaky"])
def test_a_lost_answer_and_a_failure_are_asked_again_with_the_same_key(bus, method):
    rows = bus.deliver("process.payment", order(method))

    assert [row.status for row in rows] == ["done", "done"]
    assert rows[0].attempts == 2
    assert Payment.objects.get().status == "completed"
    assert list(SandboxCharge.objects.values_list("state", "requests")) == [("captured", 2)]
    assert taken() == Decimal("59.80")


def test_between_the_attempts_the_payment_is_requested_and_nothing_is_announced(bus, monkeypatch):
    monkeypatch.setattr(SandboxProvider, "charge", _away)

    (row,) = bus.deliver("process.payment", order(), times=1)

    assert row.status == "pending"
    assert Payment.objects.get().status == "requested"
    assert bus.published() == []

    monkeypatch.undo()
    bus.run_due(timezone.now() + timedelta(minutes=1))
    assert Payment.objects.get().status == "completed"
    assert taken() == Decimal("59.80")


def _away(*args, **kwargs):
    raise ProviderUnavailable("sandbox", "gone")


def test_a_repeated_request_is_answered_again_without_asking_the_provider(bus, monkeypatch):
    wanted = order()
    bus.deliver("process.payment", wanted, times=1)
    monkeypatch.setattr(SandboxProvider, "charge", _away)

    (row,) = bus.deliver("process.payment", wanted, times=1)

    assert row.status == "done"
    first, second = (event["data"] for event in bus.published("payment.completed"))
    assert first["paymentId"] == second["paymentId"]


@pytest.mark.parametrize(
    "other", [{"amount": Decimal("1.00")}, {"currency": "USD"}, {"paymentMethod": "card-flaky"}]
)
def test_one_order_never_pays_two_different_prices(bus, other):
    wanted = order()
    bus.deliver("process.payment", wanted)

    (row,) = bus.deliver("process.payment", wanted | other, times=1)

    assert row.status == "dead"
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
def test_a_request_that_makes_no_sense_is_a_dead_letter_and_charges_nothing(bus, bad):
    (row,) = bus.deliver("process.payment", order() | bad, times=1)

    assert row.status == "dead"
    assert Payment.objects.count() == SandboxCharge.objects.count() == 0
    assert bus.published() == []


def test_a_completed_payment_is_refunded_once_and_announced(bus):
    wanted = order()
    bus.deliver("process.payment", wanted)

    rows = bus.deliver("refund.payment", refund(wanted))

    assert {row.status for row in rows} == {"done"}
    payment = Payment.objects.get()
    assert (payment.status, payment.reason) == ("refunded", "changed_mind")
    assert payment.refund_reference == f"re_{SandboxRefund.objects.get().id.hex}"
    assert taken() == 0
    data = bus.published("payment.refunded")[0]["data"]
    assert (data["orderId"], data["paymentId"]) == (wanted["orderId"], str(payment.id))
    assert (data["amount"], data["reason"]) == (59.8, "changed_mind")


def test_a_refund_before_the_charge_makes_the_charge_refused(bus):
    wanted = order()

    bus.deliver("refund.payment", refund(wanted))
    assert list(Payment.objects.values_list("status", "amount")) == [("refused", None)]
    bus.deliver("process.payment", wanted)

    payment = Payment.objects.get()
    assert (payment.status, payment.reason, payment.amount) == ("refused", "cancelled", Decimal("59.80"))
    assert SandboxCharge.objects.count() == 0
    assert [event["eventType"] for event in bus.published()] == ["payment.voided"] * 2 + [
        "payment.failed"
    ] * 2
    assert {event["data"]["reason"] for event in bus.published()} == {"cancelled"}
    assert {event["data"]["paymentId"] for event in bus.published()} == {str(payment.id)}


def test_a_charge_after_the_refund_is_refused(bus):
    wanted = order()
    bus.deliver("process.payment", wanted, times=1)
    bus.deliver("refund.payment", refund(wanted), times=1)

    bus.deliver("process.payment", wanted, times=1)

    assert Payment.objects.get().status == "refunded"
    assert taken() == 0
    assert bus.published("payment.failed")[0]["data"]["reason"] == "cancelled"
    assert SandboxCharge.objects.count() == 1


def test_a_refund_of_a_failed_payment_changes_nothing(bus):
    wanted = order("card-declined")
    bus.deliver("process.payment", wanted)

    bus.deliver("refund.payment", refund(wanted))

    assert Payment.objects.get().status == "failed"
    assert bus.published("payment.refunded") == []
    assert [event["data"]["orderId"] for event in bus.published("payment.voided")] == [wanted["orderId"]] * 2
    assert taken() == 0


@pytest.mark.parametrize(("method", "status"), [("card-timeout", "refunded"), ("card-flaky", "refused")])
def test_a_refund_while_the_outcome_is_unknown_takes_back_whatever_was_taken(
    bus, monkeypatch, method, status
):
    wanted = order(method)
    monkeypatch.setattr(handlers.CHARGE_RETRY.__class__, "wait_after", lambda *_: timedelta(seconds=60))
    (row,) = bus.deliver("process.payment", wanted, times=1)
    assert row.status == "pending"
    monkeypatch.undo()

    bus.deliver("refund.payment", refund(wanted))
    bus.run_due(timezone.now() + timedelta(minutes=2))

    assert Payment.objects.get().status == status
    assert taken() == 0
    assert bus.published("payment.completed") == []
    assert bus.published("payment.failed")[0]["data"]["reason"] == "cancelled"


def test_a_refund_between_the_provider_s_answer_and_its_settlement(bus):
    command = handlers.PaymentOfOrder(
        order_id=uuid4(), user_id=uuid4(), amount=Decimal("59.80"), currency="EUR", payment_method="card"
    )
    wanted = {"orderId": str(command.order_id)}
    captured = handlers.charge_at_provider(command, None)

    bus.deliver("refund.payment", refund(wanted))
    handlers.settle_payment(command.order_id, captured)

    assert Payment.objects.get().status == "refunded"
    assert taken() == 0
    assert bus.published("payment.completed") == []


def test_a_charge_that_reaches_the_provider_after_the_refund_takes_nothing(bus):
    command = handlers.PaymentOfOrder(
        order_id=uuid4(), user_id=uuid4(), amount=Decimal("59.80"), currency="EUR", payment_method="card"
    )
    payment = handlers.request_payment(
        command.order_id, user_id=command.user_id, amount=command.amount, currency="EUR", method="card"
    )
    assert payment.may_be_charged

    bus.deliver("refund.payment", {"orderId": str(command.order_id), "reason": "changed_mind"})
    late = provider().charge(
        payment.key, minor_units=5980, currency="EUR", method="card", memo=str(command.order_id)
    )
    handlers.settle_payment(command.order_id, late)

    assert Payment.objects.get().status == "refused"
    assert taken() == 0
    assert SandboxCharge.objects.get().state == "cancelled"


def test_ledgers_that_disagree_are_a_dead_letter_and_the_payment_stays(bus, monkeypatch):
    wanted = order()
    bus.deliver("process.payment", wanted)
    monkeypatch.setattr(SandboxProvider, "cancel", lambda *_: Cancellation())

    (row,) = bus.deliver("refund.payment", refund(wanted), times=1)

    assert row.status == "dead"
    assert "Compare the two ledgers" in row.error
    payment = Payment.objects.get()
    assert payment.status == "completed"
    (failed,) = (event["data"] for event in bus.published("payment.refund_failed"))
    assert (failed["orderId"], failed["paymentId"]) == (wanted["orderId"], str(payment.id))
    assert (failed["amount"], failed["reason"]) == (59.8, "ledgers_disagree")
    assert bus.published("payment.refunded") == bus.published("payment.voided") == []


def test_a_refund_that_never_reaches_the_provider_is_announced_as_failed_once_and_can_be_asked_again(
    bus, monkeypatch
):
    wanted = order()
    bus.deliver("process.payment", wanted, times=1)
    monkeypatch.setattr(SandboxProvider, "cancel", _away)

    (row,) = bus.deliver("refund.payment", refund(wanted), times=1)
    hours = 0
    while row.status != "dead":
        assert bus.published("payment.refund_failed") == []
        hours += 1
        bus.run_due(timezone.now() + timedelta(hours=hours))
        row.refresh_from_db()

    assert (row.status, row.attempts) == ("dead", handlers.REFUND_RETRY.attempts)
    (failed,) = (event["data"] for event in bus.published("payment.refund_failed"))
    assert failed["reason"] == "provider_unavailable"
    assert (Payment.objects.get().status, taken()) == ("completed", Decimal("59.80"))

    monkeypatch.undo()
    bus.deliver("refund.payment", refund(wanted), times=1)
    assert (Payment.objects.get().status, taken()) == ("refunded", 0)
    assert len(bus.published("payment.refunded")) == 1


@pytest.mark.parametrize("method", ["card", "card-declined", "card-timeout", "card-flaky", None])
def test_every_refund_is_answered_with_refunded_or_voided_each_time_it_is_asked(bus, method):
    wanted = order(method or "card")
    if method:
        bus.deliver("process.payment", wanted, times=1)

    bus.deliver("refund.payment", refund(wanted), times=3)

    answers = [
        event["eventType"]
        for event in bus.published()
        if event["eventType"] not in ("payment.completed", "payment.failed")
    ]
    expected = "payment.voided" if method in (None, "card-declined") else "payment.refunded"
    assert answers == [expected] * 3
    assert taken() == 0


def test_the_events_keep_the_order_s_correlation_id(bus):
    wanted = order()
    bus.deliver("process.payment", wanted, correlation_id="shopping-trip-1")
    bus.deliver("refund.payment", refund(wanted), correlation_id="shopping-trip-1")
    assert {event["correlationId"] for event in bus.published()} == {"shopping-trip-1"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", ["card", "card-timeout", "card-flaky"])
def test_the_provider_is_asked_outside_any_transaction(bus, method):
    wanted = order(method)

    (row,) = bus.deliver("process.payment", wanted, times=1)
    assert (row.status, Payment.objects.get().status) == ("done", "completed")
    (row,) = bus.deliver("refund.payment", refund(wanted), times=1)

    assert (row.status, Payment.objects.get().status) == ("done", "refunded")
    assert taken() == 0
