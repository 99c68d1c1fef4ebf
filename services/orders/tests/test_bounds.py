"""The limit of open orders per customer, and the cost of one request for a list."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from atoll.errors import Conflict
from atoll.ids import uuid7
from atoll.testing.races import at_once
from services.orders.models import Order
from services.orders.selectors import LINES_PER_PAGE
from services.orders.tests.placing import BY_CUSTOMER, placed
from services.orders.usecases.cancel_order import cancel_order

CALLS = 12


@pytest.fixture(autouse=True)
def three_may_be_open(settings):
    settings.MAX_OPEN_ORDERS = 3


def order(product: str) -> dict:
    return {"items": [{"productId": product, "quantity": 1}]}


@pytest.mark.django_db
def test_an_order_too_many_is_refused_with_the_bound_and_nothing_is_placed(
    neighbours, atoll_as_user, atoll_bus
):
    user_id, lamp = neighbours.user(), neighbours.product()
    client = atoll_as_user(user_id)
    for _ in range(3):
        assert client.post("/orders", order(lamp)).status_code == 201
    before = len(atoll_bus.sent()), len(atoll_bus.published())

    answer = client.post("/orders", order(lamp), headers={"Idempotency-Key": "fourth"})

    refusal = answer.json()
    assert (answer.status_code, refusal["code"]) == (409, "too_many_open_orders")
    assert refusal["details"] == {"most": 3}
    assert Order.objects.count() == 3
    assert (len(atoll_bus.sent()), len(atoll_bus.published())) == before
    # Other customers are not limited, and the same key works once there is room.
    assert atoll_as_user(neighbours.user()).post("/orders", order(lamp)).status_code == 201
    cancel_order(Order.objects.filter(user_id=user_id)[0].pk, BY_CUSTOMER, reason="no")
    again = client.post("/orders", order(lamp), headers={"Idempotency-Key": "fourth"})
    assert again.status_code == 201


@pytest.mark.django_db
def test_finished_orders_do_not_count(atoll_bus):
    ada = uuid7()
    for _ in range(3):
        order = placed(ada)
        atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)}, times=1)
        atoll_bus.deliver("payment.completed", {"orderId": str(order.id)}, times=1)
    assert {placed(ada).status for _ in range(3)} == {"pending"}
    with pytest.raises(Conflict):
        placed(ada)


@pytest.mark.django_db(transaction=True)
def test_many_orders_at_once_do_not_get_past_the_bound(atoll_bus):
    ada = uuid7()
    outcomes = at_once([lambda: placed(ada)] * CALLS)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert len(refused) == CALLS - 3
    assert Order.objects.filter(user_id=ada).count() == 3


def fill(user_id, orders: int, lines: int) -> None:
    """Orders with many lines, written as SQL since placing them one by one takes long."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders_order (id, user_id, customer_name, customer_email, customer_name_as_of, "
            "customer_email_as_of, status, total, currency, payment_method, reason, created_at, updated_at, "
            "deadline_at, finished_at) SELECT gen_random_uuid(), %s, 'Ada', 'ada@example.com', now(), now(), "
            "'confirmed', 2 * %s, 'EUR', 'card', '', now() - n * interval '1 s', now(), now(), now() "
            "FROM generate_series(1, %s) AS n",
            [user_id, lines, orders],
        )
        cursor.execute(
            "INSERT INTO orders_orderline (order_id, product_id, name, quantity, unit_price) "
            "SELECT id, gen_random_uuid(), 'A product with a name of usual length', 1, 2 "
            "FROM orders_order, generate_series(1, %s) WHERE user_id = %s ORDER BY created_at DESC",
            [lines, user_id],
        )


def read(client, path: str) -> tuple[list[dict], int, int]:
    """The answer of a list, its size in bytes, and its number of queries."""
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(path)
    assert answer.status_code == 200
    return answer.json(), len(answer.content), len(queries)


@pytest.mark.django_db
def test_a_page_of_large_orders_costs_no_more_lines_than_the_budget(atoll_as_user):
    """With all lines it was 1.3 MB of 10,000 lines, in 4 queries."""
    ada = uuid7()
    fill(ada, orders=100, lines=100)

    page, size, queries = read(atoll_as_user(ada), "/orders?pageSize=100")

    assert len(page) == 100
    assert sum(len(order["items"] or []) for order in page) == LINES_PER_PAGE == 200
    assert [order["items"] is None for order in page] == [False] * 2 + [True] * 98
    assert {order["itemCount"] for order in page} == {100}
    assert not any("history" in order for order in page)
    assert size < 100_000
    assert queries == 5
    whole = atoll_as_user(ada).get(f"/orders/{page[-1]['id']}").json()
    assert len(whole["items"]) == whole["itemCount"] == 100
    assert "history" in whole


@pytest.mark.django_db
def test_a_page_of_usual_orders_has_all_their_lines(atoll_as_user):
    ada = uuid7()
    fill(ada, orders=100, lines=2)
    page, _, _ = read(atoll_as_user(ada), "/orders?pageSize=100")
    assert {len(order["items"]) for order in page} == {2}


@pytest.mark.django_db
def test_small_orders_behind_a_large_one_that_does_not_fit_are_shown(atoll_as_user):
    ada = uuid7()
    fill(ada, orders=3, lines=90)
    other = placed(ada)
    page, _, _ = read(atoll_as_user(ada), "/orders")
    assert [order["items"] and len(order["items"]) for order in page] == [2, 90, 90, None]
    assert page[0]["id"] == str(other.id)


@pytest.mark.django_db
def test_the_summary_keeps_to_the_same_budget(atoll_as_user):
    ada = uuid7()
    fill(ada, orders=6, lines=100)
    summary = atoll_as_user(ada).get("/orders/summary").json()
    assert [order["items"] is None for order in summary["recent"]] == [False, False, True, True, True]


@pytest.mark.django_db
def test_a_list_can_be_asked_for_some_fields_only_and_lines_are_not_read_then(atoll_as_user):
    ada = uuid7()
    fill(ada, orders=3, lines=50)
    page, _, queries = read(atoll_as_user(ada), "/orders?fields=id,status,total,createdAt")
    assert {tuple(sorted(order)) for order in page} == {("createdAt", "id", "status", "total")}
    assert queries == 3


@pytest.mark.django_db
@pytest.mark.parametrize("fields", ["id,histroy", "history", "created_at", "", ",", "id,id,%00", "*"])
def test_a_field_that_does_not_exist_is_refused_with_those_that_do(atoll_as_user, fields):
    answer = atoll_as_user().get(f"/orders?fields={fields}")
    assert answer.status_code == 400
    assert "itemCount" in str(answer.json()["details"]) or "%00" in fields
