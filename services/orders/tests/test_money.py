"""Amounts of orders: exact in their currency, within one bound, never summed across currencies."""

from decimal import Decimal
from uuid import UUID

import pytest
from django.db import transaction

from atoll import money
from atoll.ids import uuid7
from services.orders.clients import Customer, Product
from services.orders.models import Order
from services.orders.tests.placing import BY_CUSTOMER, LONG_AGO
from services.orders.usecases.cancel_order import cancel_order
from services.orders.usecases.place_order import place_order
from services.orders.usecases.quote_order import Quote, QuotedLine

pytestmark = pytest.mark.django_db


def lines(*wanted: tuple[str, int]) -> dict:
    return {"items": [{"productId": product, "quantity": quantity} for product, quantity in wanted]}


def placed(user_id: UUID, price: str, currency: str) -> Order:
    customer = Customer(user_id, "Ada", "ada@example.com", True, LONG_AGO)
    product = Product(uuid7(), "Lamp", Decimal(price), currency, True)
    with transaction.atomic():
        return place_order(
            Quote(customer, (QuotedLine(product, 1),), Decimal(price), currency), "card", BY_CUSTOMER
        )


@pytest.mark.parametrize(
    ("currency", "price", "total"),
    [
        ("JPY", "1050", "3150"),
        ("BHD", "1.234", "3.702"),
        ("CLF", "0.0001", "0.0003"),
        ("EUR", "0.10", "0.30"),
    ],
)
def test_an_order_has_the_places_of_its_currency_everywhere(
    neighbours, atoll_as_user, atoll_bus, currency, price, total
):
    lamp = neighbours.product(price, currency=currency)
    client = atoll_as_user(neighbours.user())

    answer = client.post("/orders", lines((lamp, 3)), format="json")

    assert answer.status_code == 201, answer.content
    stored = Order.objects.get()
    assert (stored.total, stored.lines.get().unit_price) == (Decimal(total), Decimal(price))
    for seen in (
        answer,
        client.get("/orders"),
        client.get(f"/orders/{stored.id}"),
        client.get("/orders/summary"),
    ):
        assert f'"total":{total},"currency":"{currency}"'.encode() in seen.content
        assert f'"unitPrice":{price}'.encode() in seen.content
    atoll_bus.deliver("stock.reserved", {"orderId": str(stored.id)}, times=1)
    (created,), (charge,) = atoll_bus.published("order.created"), atoll_bus.sent("process.payment")
    assert Decimal(str(created["data"]["total"])) == Decimal(str(charge["data"]["amount"])) == Decimal(total)


@pytest.mark.parametrize(
    ("currency", "price"),
    [("JPY", "10.5"), ("BHD", "1.2345"), ("XAU", "1"), ("ABC", "1"), ("EUR", "0"), ("EUR", "10000000000000")],
)
def test_a_catalogue_with_a_price_that_nobody_can_be_charged_sells_nothing(
    neighbours, atoll_as_user, atoll_bus, currency, price
):
    lamp = neighbours.product(price, currency=currency)
    answer = atoll_as_user(neighbours.user()).post("/orders", lines((lamp, 1)), format="json")
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert Order.objects.count() == 0
    assert atoll_bus.sent() == []


@pytest.mark.parametrize(("currency", "most"), [("EUR", "9999999999999.99"), ("JPY", "999999999999999")])
def test_a_total_is_what_every_service_can_store_or_is_refused_when_it_is_placed(
    neighbours, atoll_as_user, atoll_bus, currency, most
):
    smallest = str(money.from_minor_units(1, currency))
    dearest = neighbours.product(most, currency=currency)
    penny = neighbours.product(smallest, currency=currency)
    client = atoll_as_user(neighbours.user())

    fits = client.post("/orders", lines((dearest, 1)), format="json", headers={"Idempotency-Key": "a"})
    assert fits.status_code == 201
    for wish in (lines((dearest, 1), (penny, 1)), lines((dearest, 1000))):
        refused = client.post("/orders", wish, format="json", headers={"Idempotency-Key": "b"})
        assert (refused.status_code, refused.json()["code"]) == (409, "total_too_large")
        assert refused.json()["details"]["currency"] == currency
    assert Order.objects.count() == 1
    assert len(atoll_bus.published()) == 1


def test_sums_are_per_currency_and_the_one_value_says_which(atoll_as_user):
    ada = uuid7()
    placed(ada, "10.50", "JPY")
    placed(ada, "100.00", "USD")
    placed(ada, "20.00", "EUR")
    placed(ada, "19.90", "EUR")
    cancel_order(placed(ada, "7.00", "USD").id, BY_CUSTOMER, reason="no")
    cancel_order(placed(ada, "9.000", "BHD").id, BY_CUSTOMER, reason="no")
    placed(uuid7(), "1000.00", "EUR")

    summary = atoll_as_user(ada).get("/orders/summary").json()

    # Two of EUR and two of USD: one of USD is the newer.
    assert (summary["total"], summary["totalValue"], summary["totalValueCurrency"]) == (6, 100.0, "USD")
    assert summary["totals"] == [
        {"currency": "USD", "orders": 2, "total": 100.0},
        {"currency": "EUR", "orders": 2, "total": 39.9},
        {"currency": "BHD", "orders": 1, "total": 0},
        {"currency": "JPY", "orders": 1, "total": 10.5},
    ]


def test_the_currency_of_most_orders_is_the_one_of_the_value(atoll_as_user):
    ada = uuid7()
    for price, currency in (("1.00", "EUR"), ("2.00", "EUR"), ("500.00", "USD")):
        placed(ada, price, currency)
    summary = atoll_as_user(ada).get("/orders/summary").json()
    assert (summary["totalValue"], summary["totalValueCurrency"]) == (3.0, "EUR")


def test_a_sum_may_be_larger_than_any_one_order(atoll_as_user):
    ada = uuid7()
    for _ in range(3):
        placed(ada, "9999999999999.99", "EUR")
    answer = atoll_as_user(ada).get("/orders/summary")
    assert b'"totalValue":29999999999999.97' in answer.content


def test_orders_can_be_narrowed_to_a_currency(atoll_as_staff):
    placed(uuid7(), "1.00", "EUR")
    placed(uuid7(), "2.00", "USD")
    client = atoll_as_staff()
    assert [order["currency"] for order in client.get("/orders?currency=USD").json()] == ["USD"]
    assert client.get("/orders?currency=XAU").status_code == 400


def test_staff_sort_totals_one_currency_after_the_other(staff):
    for price, currency in (("5.00", "EUR"), ("20.00", "EUR"), ("10", "JPY"), ("7.00", "USD")):
        placed(uuid7(), price, currency)
    answer = staff.get("/admin/orders/order/?o=5")
    shown = [order.amount.replace("\u00a0", " ") for order in answer.context["cl"].result_list]
    assert shown == ["5.00 EUR", "20.00 EUR", "10 JPY", "7.00 USD"]
