"""An order is placed only at the total that the customer saw, and only for the customer's own id."""

from decimal import Decimal

import pytest

from atoll.ids import uuid7
from services.orders.models import Order

pytestmark = pytest.mark.django_db


def order(*lines: tuple[str, int], **more) -> dict:
    return {"items": [{"productId": product, "quantity": quantity} for product, quantity in lines], **more}


def nothing_was_placed(bus) -> bool:
    return Order.objects.count() == 0 and bus.sent() == [] and bus.published() == []


@pytest.mark.parametrize("expected", [129.3, {"total": 129.3, "currency": "EUR"}])
def test_the_total_that_was_seen_is_placed(neighbours, atoll_as_user, expected):
    lamp, rope = neighbours.product("24.90"), neighbours.product("79.50")
    more = {"expectedTotal": expected}
    if isinstance(expected, dict):
        more = {"expectedTotal": expected["total"], "expectedCurrency": expected["currency"]}
    answer = atoll_as_user(neighbours.user()).post("/orders", order((lamp, 2), (rope, 1), **more))
    assert (answer.status_code, answer.json()["total"]) == (201, 129.3)


def test_a_price_that_moved_is_told_with_the_new_quote_and_nothing_is_placed(
    neighbours, atoll_as_user, atoll_bus
):
    lamp = neighbours.product("39.90")
    client = atoll_as_user(neighbours.user())
    neighbours.products[lamp]["price"] = 139.90

    answer = client.post("/orders", order((lamp, 2), expectedTotal=79.80))

    refusal = answer.json()
    assert (answer.status_code, refusal["code"], refusal["error"]) == (409, "price_changed", "Price changed")
    assert refusal["details"] == {
        "total": 279.8,
        "currency": "EUR",
        "items": [{"productId": lamp, "name": "Trail lamp", "quantity": 2, "unitPrice": 139.9}],
    }
    assert b'"total":279.80' in answer.content
    assert nothing_was_placed(atoll_bus)


@pytest.mark.parametrize(
    "expected",
    [
        {"expectedTotal": 24.89},
        {"expectedTotal": 24.91},
        {"expectedTotal": 0},
        {"expectedTotal": 24.9001},
        {"expectedTotal": 24.90, "expectedCurrency": "USD"},
        {"expectedCurrency": "JPY"},
    ],
)
def test_any_other_total_or_currency_is_another_price(neighbours, atoll_as_user, atoll_bus, expected):
    lamp = neighbours.product("24.90")
    answer = atoll_as_user(neighbours.user()).post("/orders", order((lamp, 1), **expected))
    assert (answer.status_code, answer.json()["code"]) == (409, "price_changed")
    assert nothing_was_placed(atoll_bus)


@pytest.mark.parametrize(
    "expected",
    [
        {"expectedTotal": "24.90"},
        {"expectedTotal": None},
        {"expectedTotal": True},
        {"expectedTotal": -1},
        {"expectedTotal": 1.00001},
        {"expectedTotal": 10**16},
        {"expectedTotal": [24.9]},
        {"expectedCurrency": "XAU"},
        {"expectedCurrency": "eur"},
        {"expectedCurrency": 7},
    ],
)
def test_what_is_no_total_is_refused_before_anybody_is_asked(neighbours, atoll_as_user, atoll_bus, expected):
    answer = atoll_as_user(neighbours.user()).post("/orders", order((str(uuid7()), 1), **expected))
    assert answer.status_code == 400
    assert list(answer.json()["details"]) == list(expected)
    assert neighbours.asked == []
    assert nothing_was_placed(atoll_bus)


def test_the_customer_agrees_and_orders_with_the_same_key(neighbours, atoll_as_user, atoll_bus):
    lamp = neighbours.product("139.90")
    client, key = atoll_as_user(neighbours.user()), {"Idempotency-Key": "basket-1"}
    for _ in range(2):
        assert client.post("/orders", order((lamp, 1), expectedTotal=39.90), headers=key).status_code == 409

    agreed = client.post("/orders", order((lamp, 1), expectedTotal=139.90), headers=key)

    assert agreed.status_code == 201
    assert Order.objects.get().total == Decimal("139.90")
    # The key belongs to that order now: the wish of before is another request.
    late = client.post("/orders", order((lamp, 1), expectedTotal=39.90), headers=key)
    assert (late.status_code, late.json()["code"]) == (422, "idempotency_key_reused")


def test_a_repeat_of_a_placed_order_gets_its_answer_although_the_price_moved(neighbours, atoll_as_user):
    lamp = neighbours.product("39.90")
    client, key = atoll_as_user(neighbours.user()), {"Idempotency-Key": "basket-1"}
    first = client.post("/orders", order((lamp, 1), expectedTotal=39.90), headers=key)
    neighbours.products[lamp]["price"] = 139.90

    again = client.post("/orders", order((lamp, 1), expectedTotal=39.90), headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert Order.objects.count() == 1


def test_without_an_expectation_the_price_of_the_catalogue_counts(neighbours, atoll_as_user):
    answer = atoll_as_user(neighbours.user()).post("/orders", order((neighbours.product("139.90"), 1)))
    assert (answer.status_code, answer.json()["total"]) == (201, 139.9)


@pytest.mark.parametrize("spelling", [str, lambda value: str(value).upper()])
def test_ones_own_id_may_be_sent(neighbours, atoll_as_user, spelling):
    user_id = neighbours.user()
    answer = atoll_as_user(user_id).post(
        "/orders", order((neighbours.product(), 1), userId=spelling(user_id))
    )
    assert (answer.status_code, answer.json()["userId"]) == (201, str(user_id))


def test_staff_too_order_for_themselves(neighbours, atoll_as_staff, atoll_bus):
    staff, lamp, ada = atoll_as_staff(), neighbours.product(), neighbours.user()
    refused = staff.post("/orders", order((lamp, 1), userId=str(ada)))
    assert refused.status_code == 400
    assert nothing_was_placed(atoll_bus)


@pytest.mark.parametrize("somebody", ["another", "me", "", None, 7, [1]])
def test_an_order_for_somebody_else_is_refused_by_name(neighbours, atoll_as_user, atoll_bus, somebody):
    user_id = str(neighbours.user()) if somebody == "another" else somebody
    answer = atoll_as_user(neighbours.user()).post(
        "/orders", order((neighbours.product(), 1), userId=user_id)
    )
    assert answer.status_code == 400
    assert list(answer.json()["details"]) == ["userId"]
    assert neighbours.asked == []
    assert nothing_was_placed(atoll_bus)
