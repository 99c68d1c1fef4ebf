"""Charges by the minor units of their currency, from the command to the provider's books and back."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.urls import reverse

from atoll import money
from atoll.identity.roles import SUPPORT
from atoll.testing.rights import member
from services.payments.models import Payment, SandboxCharge, SandboxRefund
from services.payments.provider import sandbox

pytestmark = pytest.mark.django_db

FIT = [
    ("JPY", "1050", 1050),
    ("BHD", "1.234", 1234),
    ("CLF", "0.0001", 1),
    ("EUR", "39.90", 3990),
    ("EUR", "9999999999999.99", money.MAX_MINOR_UNITS),
    ("KRW", "999999999999999", money.MAX_MINOR_UNITS),
    ("KWD", "999999999999.999", money.MAX_MINOR_UNITS),
]


def order(amount: str, currency: str) -> dict:
    return {
        "orderId": str(uuid4()),
        "userId": str(uuid4()),
        "amount": Decimal(amount),
        "currency": currency,
        "paymentMethod": "card",
    }


@pytest.mark.parametrize(("currency", "amount", "units"), FIT)
def test_the_provider_is_asked_in_minor_units_and_every_book_and_event_has_the_exact_amount(
    atoll_bus, atoll_as_user, monkeypatch, currency, amount, units
):
    asked = []
    charge = sandbox.SandboxProvider.charge

    def noted(self, key, **terms):
        asked.append(terms["minor_units"])
        return charge(self, key, **terms)

    monkeypatch.setattr(sandbox.SandboxProvider, "charge", noted)
    wanted = order(amount, currency)
    (row,) = atoll_bus.deliver("process.payment", wanted, times=1)
    atoll_bus.deliver("refund.payment", {"orderId": wanted["orderId"], "reason": "x"}, times=1)

    assert row.status == "done"
    assert asked == [units]
    assert Payment.objects.get().amount == Decimal(amount)
    assert SandboxCharge.objects.get().amount == Decimal(amount)
    assert SandboxRefund.objects.get().amount == Decimal(amount)
    for event in ("payment.completed", "payment.refunded"):
        (told,) = atoll_bus.published(event)
        assert Decimal(str(told["data"]["amount"])) == Decimal(amount)
        assert told["data"]["currency"] == currency
    seen = atoll_as_user(wanted["userId"]).get("/payments")
    assert f'"amount":{amount},"currency":"{currency}"'.encode() in seen.content


@pytest.mark.parametrize(
    ("currency", "amount"),
    [
        ("JPY", "10.5"), ("BHD", "1.2345"), ("EUR", "0.001"), ("EUR", "10000000000000"), ("EUR", "0"),
        ("KRW", "1000000000000000"), ("XAU", "1"), ("ABC", "1"), ("BGN", "1"),
    ],
)  # fmt: skip
def test_what_cannot_be_charged_is_a_dead_letter_that_says_why_and_charges_nothing(
    atoll_bus, currency, amount
):
    (row,) = atoll_bus.deliver("process.payment", order(amount, currency), times=1)
    assert atoll_bus.dead() == [row]
    assert currency in row.error or "0" in row.error
    assert Payment.objects.count() == 0
    assert SandboxCharge.objects.count() == 0


@pytest.fixture
def staff(client):
    client.force_login(member(SUPPORT))
    return client


def test_lists_of_the_admin_compare_amounts_of_one_currency_only(staff, make_payment):
    for amount, currency in (("5", "EUR"), ("20", "EUR"), ("10", "JPY"), ("7", "USD")):
        make_payment(amount=Decimal(amount), currency=currency)

    def listed(query: str) -> list[str]:
        answer = staff.get(reverse("admin:payments_payment_changelist") + f"?{query}")
        rows = answer.context["cl"].result_list
        return [money.text(row.amount, row.currency).replace("\u00a0", " ") for row in rows]

    assert listed("amount_from=6") == ["20.00 EUR"]
    assert listed("amount_from=6&amount_currency=JPY") == ["10 JPY"]
    assert listed("o=1") == ["5.00 EUR", "20.00 EUR", "10 JPY", "7.00 USD"]
    assert listed("o=-1") == ["7.00 USD", "10 JPY", "20.00 EUR", "5.00 EUR"]
    for page in ("sandboxcharge", "sandboxrefund"):
        assert staff.get(reverse(f"admin:payments_{page}_changelist") + "?o=1").status_code == 200


def test_payments_can_be_narrowed_to_a_currency(atoll_as_staff, make_payment):
    make_payment(currency="EUR")
    make_payment(currency="USD")
    client = atoll_as_staff()
    assert [payment["currency"] for payment in client.get("/payments?currency=USD").json()] == ["USD"]
    assert client.get("/payments?currency=XAU").status_code == 400
