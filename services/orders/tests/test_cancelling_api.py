import pytest

from atoll.ids import uuid7
from services.orders.models import Order
from services.orders.tests.placing import moves, placed

pytestmark = pytest.mark.django_db


def commands(bus) -> list[str]:
    return [m["command"] for m in bus.sent()]


def test_a_customer_cancels_an_open_order_with_their_own_words(atoll_as_user, atoll_bus):
    ada = uuid7()
    order = placed(ada)

    answer = atoll_as_user(ada).post(f"/orders/{order.id}/cancel", {"reason": "Found it cheaper"})

    assert answer.status_code == 200
    seen = answer.json()
    assert (seen["status"], seen["reason"]) == ("cancelled", "Found it cheaper")
    assert seen["history"][-1]["actor"] == f"user:{ada}"
    assert commands(atoll_bus) == ["reserve.stock", "release.stock"]
    assert atoll_bus.published("order.cancelled")[0]["data"]["reason"] == "Found it cheaper"


@pytest.mark.parametrize("body", [None, {}, {"reason": ""}, {"reason": "   "}])
def test_a_cancellation_needs_no_reason(atoll_as_user, body):
    ada = uuid7()
    order = placed(ada)
    answer = atoll_as_user(ada).post(f"/orders/{order.id}/cancel", body)
    assert (answer.status_code, answer.json()["reason"]) == (200, "cancelled_by_customer")


def test_staff_cancel_any_open_order_and_it_shows(atoll_as_staff):
    order, staff_id = placed(), uuid7()
    seen = atoll_as_staff(staff_id).post(f"/orders/{order.id}/cancel").json()
    assert (seen["status"], seen["reason"]) == ("cancelled", "cancelled_by_staff")
    assert seen["history"][-1]["actor"] == f"staff:{staff_id}"


def test_an_order_that_waits_for_its_payment_is_cancelled_and_refunded(atoll_as_user, atoll_bus):
    ada = uuid7()
    order = placed(ada)
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)})
    assert atoll_as_user(ada).post(f"/orders/{order.id}/cancel").status_code == 200
    assert commands(atoll_bus) == ["reserve.stock", "process.payment", "release.stock", "refund.payment"]


def test_cancelling_twice_changes_nothing_the_second_time(atoll_as_user, atoll_bus):
    ada = uuid7()
    order = placed(ada)
    first = atoll_as_user(ada).post(f"/orders/{order.id}/cancel", {"reason": "first"})
    second = atoll_as_user(ada).post(f"/orders/{order.id}/cancel", {"reason": "second"})
    assert second.status_code == 200
    assert second.json() == first.json()
    assert commands(atoll_bus) == ["reserve.stock", "release.stock"]


def test_a_confirmed_order_can_no_longer_be_cancelled(atoll_as_user, atoll_bus):
    ada = uuid7()
    order = placed(ada)
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)})
    atoll_bus.deliver("payment.completed", {"orderId": str(order.id)})
    before, sent = Order.objects.values().get(), commands(atoll_bus)

    answer = atoll_as_user(ada).post(f"/orders/{order.id}/cancel")

    assert (answer.status_code, answer.json()["code"]) == (409, "order_already_confirmed")
    assert "can no longer be cancelled" in answer.json()["message"]
    assert Order.objects.values().get() == before
    assert commands(atoll_bus) == sent


def test_somebody_elses_order_cannot_be_cancelled(atoll_as_user, atoll_bus):
    order = placed()
    answer = atoll_as_user().post(f"/orders/{order.id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")
    assert moves(order) == [("order.placed", "", "pending")]
    assert commands(atoll_bus) == ["reserve.stock"]


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "x" * 201},
        {"reason": 7},
        {"reason": None},
        {"reason": ["a"]},
        {"reason": "\u200b"},
        {"reason": "late\u202e"},
        {"why": "x"},
        [],
    ],
)
def test_a_reason_that_is_none_is_refused(atoll_as_user, body):
    ada = uuid7()
    order = placed(ada)
    answer = atoll_as_user(ada).post(f"/orders/{order.id}/cancel", body)
    order.refresh_from_db()
    assert (answer.status_code, order.status) == (400, "pending")
