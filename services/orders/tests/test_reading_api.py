from datetime import timedelta

import pytest
from django.utils import timezone

from atoll.ids import uuid7
from services.orders.models import Order
from services.orders.tests.placing import placed

pytestmark = pytest.mark.django_db


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [order["id"] for order in answer.json()]


def test_customers_see_their_own_orders_newest_first(atoll_as_user):
    ada, bob = uuid7(), uuid7()
    first, _, third = placed(ada), placed(bob), placed(ada)
    assert ids(atoll_as_user(ada).get("/orders")) == [str(third.id), str(first.id)]


def test_staff_see_everybodys_orders(atoll_as_staff):
    first, second = placed(), placed()
    assert ids(atoll_as_staff().get("/orders")) == [str(second.id), str(first.id)]


def test_a_customer_cannot_widen_the_list_by_asking_for_another_user(atoll_as_user):
    ada, bob = uuid7(), uuid7()
    placed(bob)
    assert ids(atoll_as_user(ada).get(f"/orders?userId={bob}")) == []


def test_orders_can_be_filtered_by_status_user_and_period(atoll_as_staff, atoll_bus):
    ada = uuid7()
    old, pending, awaiting = placed(ada), placed(ada), placed()
    a_day_ago = timezone.now() - timedelta(days=1)
    Order.objects.filter(pk=old.pk).update(created_at=a_day_ago)
    atoll_bus.deliver("stock.reserved", {"orderId": str(awaiting.id)})
    staff = atoll_as_staff()

    assert ids(staff.get("/orders?status=awaiting_payment")) == [str(awaiting.id)]
    assert ids(staff.get(f"/orders?userId={ada}")) == [str(pending.id), str(old.id)]
    noon = (timezone.now() - timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert ids(staff.get(f"/orders?createdBefore={noon}")) == [str(old.id)]
    assert ids(staff.get(f"/orders?createdAfter={noon}")) == [str(awaiting.id), str(pending.id)]
    assert ids(staff.get(f"/orders?createdAfter={noon}&status=pending")) == [str(pending.id)]


@pytest.mark.parametrize("query", ["state=pending", "status=pending&customer=1", "createdafter=2026-01-01"])
def test_a_filter_that_does_not_exist_is_refused_by_its_name(atoll_as_staff, query):
    answer = atoll_as_staff().get(f"/orders?{query}")
    assert answer.status_code == 400
    wrong = query.split("&")[-1].split("=")[0]
    assert answer.json()["details"] == {wrong: ["Unknown filter."]}


def test_a_list_is_an_array_paged_by_headers(atoll_as_user):
    ada = uuid7()
    orders = [placed(ada) for _ in range(5)]
    answer = atoll_as_user(ada).get("/orders?page=2&pageSize=2")
    assert ids(answer) == [str(orders[2].id), str(orders[1].id)]
    assert answer["X-Total-Count"] == "5"
    assert 'rel="next"' in answer["Link"]


def test_a_page_of_orders_costs_the_same_few_queries_however_long_it_is(
    atoll_as_user, django_assert_num_queries
):
    ada = uuid7()
    for _ in range(10):
        placed(ada)
    client = atoll_as_user(ada)
    with django_assert_num_queries(5):
        assert len(ids(client.get("/orders"))) == 10


def test_an_order_is_read_with_its_history(atoll_as_user, atoll_bus):
    ada = uuid7()
    order = placed(ada)
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)}, times=1, service_id="product-service")
    seen = atoll_as_user(ada).get(f"/orders/{order.id}").json()
    assert seen["status"] == "awaiting_payment"
    assert [(e["event"], e["from"], e["to"], e["actor"]) for e in seen["history"]] == [
        ("order.placed", "", "pending", "user:test"),
        ("stock.reserved", "pending", "awaiting_payment", "product-service"),
    ]


def test_somebody_elses_order_is_as_unknown_as_one_that_never_was(atoll_as_user):
    foreign = placed()
    ada = atoll_as_user()
    theirs = ada.get(f"/orders/{foreign.id}")
    nobodys = ada.get(f"/orders/{uuid7()}")
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.json()["code"] == nobodys.json()["code"] == "order_not_found"
    assert theirs.json()["message"] == nobodys.json()["message"]


def test_staff_read_any_order(atoll_as_staff):
    order = placed()
    assert atoll_as_staff().get(f"/orders/{order.id}").json()["id"] == str(order.id)


def test_the_summary_counts_everything_and_shows_the_five_newest(atoll_as_user):
    ada = uuid7()
    orders = [placed(ada) for _ in range(7)]
    placed()
    summary = atoll_as_user(ada).get("/orders/summary").json()
    assert (summary["total"], summary["totalValue"]) == (7, 905.1)
    assert [order["id"] for order in summary["recent"]] == [str(order.id) for order in orders[:1:-1]]


def test_the_summary_of_somebody_without_orders_is_empty(atoll_as_user):
    assert atoll_as_user().get("/orders/summary").json() == {
        "total": 0,
        "recent": [],
        "totalValue": 0,
        "totalValueCurrency": None,
        "totals": [],
    }


@pytest.mark.parametrize("who", ["staff", "service"])
def test_staff_and_services_read_the_summary_of_any_user(atoll_as_staff, atoll_as_service, who):
    order = placed()
    client = atoll_as_staff() if who == "staff" else atoll_as_service("api-gateway")
    assert client.get(f"/orders/summary?userId={order.user_id}").json()["total"] == 1


def test_a_customer_cannot_read_the_summary_of_another(atoll_as_user):
    order = placed()
    answer = atoll_as_user().get(f"/orders/summary?userId={order.user_id}")
    assert answer.status_code == 404


ROUTES = [
    ("GET", "/orders"),
    ("POST", "/orders"),
    ("GET", "/orders/summary"),
    ("GET", "/orders/{id}"),
    ("POST", "/orders/{id}/cancel"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_token_there_is_nothing_to_see(client, method, path):
    order = placed()
    answer = client.generic(method, path.format(id=order.id), b"{}", content_type="application/json")
    assert answer.status_code == 401
    assert answer.json()["error"] == "Access token required"
    assert Order.objects.get().status == "pending"


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_token_of_another_issuer_is_refused(client, atoll_trusted_test_key, method, path):
    from atoll.testing.tokens import claims, sign

    order = placed()
    foreign = sign(claims(order.user_id, roles=[]) | {"iss": "somebody-else"})
    answer = client.generic(
        method,
        path.format(id=order.id),
        b"{}",
        content_type="application/json",
        headers={"Authorization": f"Bearer {foreign}"},
    )
    assert answer.status_code == 403
    assert answer.json()["error"] == "Invalid or expired token"
    assert Order.objects.get().status == "pending"


@pytest.mark.parametrize(("method", "path"), [row for row in ROUTES if row[1] != "/orders/summary"])
def test_a_service_is_no_customer(atoll_as_service, method, path):
    order = placed()
    answer = atoll_as_service().generic(
        method, path.format(id=order.id), b"{}", content_type="application/json"
    )
    assert answer.status_code == 403
    assert Order.objects.get().status == "pending"
