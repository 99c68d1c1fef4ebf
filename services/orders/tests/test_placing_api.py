import threading
from decimal import Decimal

import pytest

from services.orders.models import Order

pytestmark = pytest.mark.django_db


def body(*lines: tuple[str, int], **more) -> dict:
    return {"items": [{"productId": product, "quantity": quantity} for product, quantity in lines], **more}


def test_a_placed_order_is_answered_with_names_and_prices_from_the_catalogue(
    neighbours, atoll_as_user, atoll_bus
):
    user_id = neighbours.user()
    lamp, rope = neighbours.product("24.90"), neighbours.product("79.50", name="Climbing rope")

    answer = atoll_as_user(user_id).post("/orders", body((lamp, 2), (rope, 1), paymentMethod="card-flaky"))

    assert answer.status_code == 201
    order = answer.json()
    assert order["status"] == "pending"
    assert order["userId"] == str(user_id)
    assert order["customer"] == {"name": "Ada Lovelace", "email": "ada@example.com"}
    assert order["items"] == [
        {"productId": lamp, "name": "Trail lamp", "quantity": 2, "unitPrice": 24.9},
        {"productId": rope, "name": "Climbing rope", "quantity": 1, "unitPrice": 79.5},
    ]
    assert (order["total"], order["currency"], order["paymentMethod"]) == (129.3, "EUR", "card-flaky")
    assert (order["reason"], order["finishedAt"]) == ("", None)
    [entry] = order["history"]
    assert (entry["event"], entry["from"], entry["to"], entry["moved"]) == (
        "order.placed",
        "",
        "pending",
        True,
    )
    assert entry["actor"] == f"user:{user_id}"
    stored = Order.objects.get(pk=order["id"])
    assert stored.total == Decimal("129.30")
    assert len(atoll_bus.sent("reserve.stock")) == 1


def test_the_correlation_id_of_the_request_is_kept_with_the_order_and_its_messages(
    neighbours, atoll_as_user, atoll_bus
):
    answer = atoll_as_user(neighbours.user()).post(
        "/orders", body((neighbours.product(), 1)), headers={"X-Correlation-ID": "shopping-trip-1"}
    )
    assert answer.json()["history"][0]["correlationId"] == "shopping-trip-1"
    assert atoll_bus.published("order.created")[0]["correlationId"] == "shopping-trip-1"


def test_lines_of_the_same_product_become_one(neighbours, atoll_as_user):
    lamp, rope = neighbours.product(), neighbours.product()
    answer = atoll_as_user(neighbours.user()).post("/orders", body((lamp, 2), (rope, 1), (lamp, 3)))
    lines = [(line["productId"], line["quantity"]) for line in answer.json()["items"]]
    assert lines == [(lamp, 5), (rope, 1)]


def test_a_hundred_lines_of_a_thousand_pieces_can_be_ordered(neighbours, atoll_as_user):
    products = [neighbours.product("99999999.99") for _ in range(100)]
    answer = atoll_as_user(neighbours.user()).post(
        "/orders", body(*((product, 1000) for product in products))
    )
    assert answer.status_code == 201
    assert Order.objects.get().total == Decimal("9999999999000.00")


def test_the_payment_method_is_card_when_none_is_named(neighbours, atoll_as_user):
    answer = atoll_as_user(neighbours.user()).post("/orders", body((neighbours.product(), 1)))
    assert answer.json()["paymentMethod"] == "card"


def test_users_and_products_are_each_asked_once(neighbours, atoll_as_user):
    lamp, rope = neighbours.product(), neighbours.product()
    atoll_as_user(neighbours.user()).post("/orders", body((lamp, 1), (rope, 1)))
    assert len([path for path in neighbours.asked if path.startswith("/users/")]) == 1
    assert len([path for path in neighbours.asked if path.startswith("/products")]) == 1


def test_users_and_products_are_asked_at_the_same_time(neighbours, atoll_as_user):
    client, lamp = atoll_as_user(neighbours.user()), neighbours.product()
    neighbours.together = threading.Barrier(2)
    assert client.post("/orders", body((lamp, 1))).status_code == 201


def test_an_account_that_cannot_order_is_refused_also_while_products_is_away(
    neighbours, nobody_there, atoll_as_user, monkeypatch
):
    client, lamp = atoll_as_user(neighbours.user(isActive=False)), neighbours.product()
    monkeypatch.setenv("PRODUCT_SERVICE_URL", nobody_there)
    refused(client.post("/orders", body((lamp, 1))), 403, "account_inactive")


def test_the_answer_is_the_order_as_it_reads_afterwards(neighbours, atoll_as_user):
    """The answer is built from the values that were written, without reading them back."""
    client, lamp, rope = (
        atoll_as_user(neighbours.user()),
        neighbours.product("24.90"),
        neighbours.product("79.50"),
    )
    answer = client.post("/orders", body((lamp, 2), (rope, 1))).json()
    assert client.get(f"/orders/{answer['id']}").json() == answer


def test_neighbours_are_asked_in_the_name_of_the_service_with_the_correlation_of_the_request(
    neighbours, atoll_as_user
):
    client, lamp = atoll_as_user(neighbours.user()), neighbours.product()
    client.post("/orders", body((lamp, 1)), headers={"X-Correlation-ID": "shopping-trip-2"})
    for headers in neighbours.headers[-2:]:
        assert headers["Authorization"] == "Bearer token-of-orders"
        assert headers["X-Service-Name"] == "order-service"
        assert headers["X-Correlation-ID"] == "shopping-trip-2"


def refused(answer, status: int, code: str) -> dict:
    """The error of the answer, in the platform's shape; nothing was stored."""
    error = answer.json()
    assert (answer.status_code, error["code"]) == (status, code)
    assert set(error) == {"error", "message", "code", "correlationId", "details"}
    assert Order.objects.count() == 0
    return error


def test_a_product_that_does_not_exist_is_named_in_the_refusal(neighbours, atoll_as_user, atoll_bus):
    lamp = neighbours.product()
    unknown = "0198c0de-0000-7000-8000-00000000dead"
    answer = atoll_as_user(neighbours.user()).post("/orders", body((lamp, 1), (unknown, 1)))
    assert refused(answer, 422, "product_not_found")["details"] == {"productIds": [unknown]}
    assert atoll_bus.sent() == []
    assert atoll_bus.published() == []


def test_a_product_that_is_not_sold_any_more_is_refused(neighbours, atoll_as_user):
    gone = neighbours.product(isActive=False)
    answer = atoll_as_user(neighbours.user()).post("/orders", body((gone, 1)))
    assert refused(answer, 422, "product_not_found")["details"] == {"productIds": [gone]}


def test_products_of_two_currencies_are_refused(neighbours, atoll_as_user):
    lamp, rope = neighbours.product(), neighbours.product(currency="USD")
    answer = atoll_as_user(neighbours.user()).post("/orders", body((lamp, 1), (rope, 1)))
    assert refused(answer, 422, "mixed_currencies")["details"] == {"currencies": ["EUR", "USD"]}


def test_merged_lines_cannot_pass_the_limit_of_one_line(neighbours, atoll_as_user):
    lamp = neighbours.product()
    answer = atoll_as_user(neighbours.user()).post("/orders", body((lamp, 600), (lamp, 401)))
    assert refused(answer, 400, "invalid_quantity")["details"] == {"productId": lamp, "quantity": 1001}


def test_a_closed_account_with_a_token_that_still_holds_cannot_order(neighbours, atoll_as_user):
    answer = atoll_as_user().post("/orders", body((neighbours.product(), 1)))
    refused(answer, 403, "account_inactive")


def test_an_inactive_account_cannot_order(neighbours, atoll_as_user):
    answer = atoll_as_user(neighbours.user(isActive=False)).post("/orders", body((neighbours.product(), 1)))
    refused(answer, 403, "account_inactive")


@pytest.mark.parametrize("away", ["USER_SERVICE_URL", "PRODUCT_SERVICE_URL"])
def test_while_users_or_products_are_away_nothing_is_stored(
    neighbours, nobody_there, atoll_as_user, atoll_bus, monkeypatch, away
):
    client, lamp = atoll_as_user(neighbours.user()), neighbours.product()
    monkeypatch.setenv(away, nobody_there)

    answer = client.post("/orders", body((lamp, 1)), headers={"Idempotency-Key": "try-again"})

    error = refused(answer, 503, "service_unavailable")
    assert error["error"] == "Service temporarily unavailable"
    assert atoll_bus.sent() == []
    monkeypatch.setenv(away, neighbours.url)
    again = client.post("/orders", body((lamp, 1)), headers={"Idempotency-Key": "try-again"})
    assert again.status_code == 201


@pytest.mark.parametrize("status", [500, 401])
def test_a_neighbour_that_refuses_our_own_request_is_unavailable_to_the_customer(
    neighbours, atoll_as_user, status
):
    client, lamp = atoll_as_user(neighbours.user()), neighbours.product()
    neighbours.failing_with = status
    refused(client.post("/orders", body((lamp, 1))), 503, "service_unavailable")


@pytest.mark.parametrize(
    "nonsense", [{"price": "much"}, {"price": -1}, {"price": 1.234}, {"currency": "euro"}, {"id": 7}]
)
def test_a_catalogue_that_answers_nonsense_is_unavailable(neighbours, atoll_as_user, nonsense):
    lamp = neighbours.product(**nonsense)
    answer = atoll_as_user(neighbours.user()).post("/orders", body((lamp, 1)))
    refused(answer, 503, "service_unavailable")


def test_the_same_key_and_body_give_the_first_order_again(neighbours, atoll_as_user, atoll_bus):
    client, lamp = atoll_as_user(neighbours.user()), neighbours.product()
    first = client.post("/orders", body((lamp, 1)), headers={"Idempotency-Key": "once"})
    second = client.post("/orders", body((lamp, 1)), headers={"Idempotency-Key": "once"})
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second["Idempotency-Replayed"] == "true"
    assert Order.objects.count() == 1
    assert len(atoll_bus.sent("reserve.stock")) == 1


def test_the_same_key_with_another_body_is_refused(neighbours, atoll_as_user):
    client, lamp = atoll_as_user(neighbours.user()), neighbours.product()
    client.post("/orders", body((lamp, 1)), headers={"Idempotency-Key": "once"})
    answer = client.post("/orders", body((lamp, 2)), headers={"Idempotency-Key": "once"})
    assert answer.status_code == 422
    assert Order.objects.count() == 1


def test_the_same_key_of_two_customers_is_two_orders(neighbours, atoll_as_user):
    lamp = neighbours.product()
    for user_id in (neighbours.user(), neighbours.user()):
        answer = atoll_as_user(user_id).post("/orders", body((lamp, 1)), headers={"Idempotency-Key": "mine"})
        assert answer.status_code == 201
    assert Order.objects.count() == 2


def test_a_refused_order_does_not_use_up_its_key(neighbours, atoll_as_user):
    client, lamp = atoll_as_user(neighbours.user()), neighbours.product(isActive=False)
    refused_first = client.post("/orders", body((lamp, 1)), headers={"Idempotency-Key": "k"})
    neighbours.products[lamp]["isActive"] = True
    assert refused_first.status_code == 422
    assert client.post("/orders", body((lamp, 1)), headers={"Idempotency-Key": "k"}).status_code == 201
