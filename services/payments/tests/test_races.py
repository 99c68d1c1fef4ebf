"""Requests about one order at the very same moment, on connections of their own."""

from decimal import Decimal
from functools import partial
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Sum

from atoll.testing.races import at_once
from services.payments.handlers import (
    PaymentOfOrder,
    RefundOfOrder,
    cancel_at_provider,
    charge_at_provider,
    on_process_payment,
    on_refund_payment,
)
from services.payments.models import Payment, SandboxCharge, SandboxRefund

pytestmark = pytest.mark.django_db(transaction=True)


def pay(order_id: UUID, user_id: UUID) -> None:
    command = PaymentOfOrder(
        order_id=order_id, user_id=user_id, amount=Decimal("5.00"), currency="EUR", payment_method="card"
    )
    charge = charge_at_provider(command, None)
    with transaction.atomic():
        on_process_payment(command, None, charge)


def give_back(order_id: UUID) -> None:
    command = RefundOfOrder(order_id=order_id)
    cancellation = cancel_at_provider(command, None)
    with transaction.atomic():
        on_refund_payment(command, None, cancellation)


def test_twenty_requests_to_pay_one_order_charge_it_once():
    outcomes = at_once([partial(pay, uuid4(), uuid4())] * 20)

    assert outcomes == [None] * 20
    assert list(SandboxCharge.objects.values_list("state", "amount")) == [("captured", Decimal("5.00"))]
    assert Payment.objects.get().status == "completed"


def test_paying_and_refunding_at_once_never_keeps_the_money():
    orders = [uuid4() for _ in range(10)]

    outcomes = at_once(
        [call for order in orders for call in (partial(pay, order, uuid4()), partial(give_back, order))]
    )

    assert outcomes == [None] * 20
    assert set(Payment.objects.values_list("status", flat=True)) <= {"refunded", "refused"}
    charged = SandboxCharge.objects.filter(state="captured").aggregate(n=Sum("amount"))["n"]
    assert charged == SandboxRefund.objects.aggregate(n=Sum("amount"))["n"]
    refunded = Payment.objects.filter(status="refunded").count()
    assert refunded == SandboxRefund.objects.count()


def test_the_database_allows_one_payment_an_order(make_payment):
    payment = make_payment()
    with pytest.raises(IntegrityError):
        make_payment(order_id=payment.order_id)
    assert Payment.objects.count() == 1


@pytest.mark.parametrize(
    "values",
    [
        {"amount": 0}, {"amount": -1}, {"amount": None}, {"user_id": None}, {"currency": "eur"},
        {"method": ""}, {"status": "paid"}, {"charge_reference": ""}, {"status": "refunded"},
    ],
)  # fmt: skip
def test_the_database_itself_refuses_what_must_never_be(make_payment, values):
    payment = make_payment()
    with pytest.raises(IntegrityError):
        Payment.objects.filter(id=payment.id).update(**values)
    assert Payment.objects.get() == payment
