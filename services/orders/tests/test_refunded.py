"""Money of a sale that went back without a cancellation: a state of the order, with its stock decided."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from atoll.errors import Conflict, NotFound
from atoll.ids import uuid7
from services.orders.models import Order
from services.orders.tests.compensating import BY_STAFF, compensations
from services.orders.tests.placing import BY_CUSTOMER, moves, placed
from services.orders.usecases.cancel_order import cancel_order
from services.orders.usecases.return_goods import return_goods

pytestmark = pytest.mark.django_db


def tell(bus, event: str, order: Order, *, times: int = 2, **data) -> None:
    bus.deliver(event, {"orderId": str(order.id)} | data, times=times, service_id="payment-service")


@pytest.fixture
def confirmed(atoll_bus) -> Order:
    order = placed()
    tell(atoll_bus, "stock.reserved", order)
    tell(atoll_bus, "payment.completed", order)
    return order


@pytest.fixture
def refunded(atoll_bus, confirmed) -> Order:
    tell(atoll_bus, "payment.refunded", confirmed, reason="broken on arrival")
    return Order.objects.get(pk=confirmed.pk)


def commands(bus) -> list[str]:
    return [envelope["command"] for envelope in bus.sent()]


def test_a_refund_that_nobody_cancelled_for_makes_the_order_refunded_with_its_cause(atoll_bus, confirmed):
    finished = Order.objects.get(pk=confirmed.pk).finished_at

    tell(atoll_bus, "payment.refunded", confirmed, reason="broken on arrival")

    order = Order.objects.get(pk=confirmed.pk)
    assert (order.status, order.reason, order.finished_at) == ("refunded", "broken on arrival", finished)
    assert moves(order)[-1] == ("payment.refunded", "confirmed", "refunded")
    entry = order.history.filter(to_status="refunded").first()
    assert (entry.actor, entry.reason) == ("payment-service", "broken on arrival")
    assert entry.message_id
    (told,) = atoll_bus.published("order.refunded")
    assert {**told["data"], "timestamp": None} == {
        "orderId": str(order.id),
        "userId": str(order.user_id),
        "total": 129.3,
        "currency": "EUR",
        "reason": "broken on arrival",
        "timestamp": None,
    }
    assert commands(atoll_bus) == ["reserve.stock", "process.payment", "commit.stock"]
    assert compensations(order) == {}


def test_customers_see_it_and_their_sums_leave_it_out(atoll_as_user, atoll_bus, refunded):
    client = atoll_as_user(refunded.user_id)
    kept, cancelled = placed(refunded.user_id), placed(refunded.user_id)
    cancel_order(cancelled.id, BY_CUSTOMER, reason="changed my mind")

    seen = client.get(f"/orders/{refunded.id}").json()
    assert (seen["status"], seen["refund"], seen["reason"]) == ("refunded", "done", "broken on arrival")
    assert [order["id"] for order in client.get("/orders?status=refunded").json()] == [str(refunded.id)]
    summary = client.get("/orders/summary").json()
    assert (summary["total"], summary["totalValue"]) == (3, float(kept.total))


def test_refunds_and_answers_that_come_again_or_late_change_nothing(atoll_bus, refunded):
    for event in (
        "payment.refunded",
        "payment.completed",
        "payment.failed",
        "payment.refund_failed",
        "payment.voided",
        "stock.reserved",
        "stock.returned",
        "stock.released",
        "expire.order",
    ):
        tell(atoll_bus, event, refunded, reason="again", shortages=[])
    atoll_bus.deliver("user.deleted", {"userId": str(refunded.user_id)})

    order = Order.objects.get(pk=refunded.pk)
    assert (order.status, order.reason) == ("refunded", "broken on arrival")
    assert compensations(order) == {}
    assert len(atoll_bus.published("order.refunded")) == 1
    assert commands(atoll_bus) == ["reserve.stock", "process.payment", "commit.stock"]


def test_a_refund_that_fails_leaves_the_order_confirmed_and_its_history_says_so(atoll_bus, confirmed):
    tell(atoll_bus, "payment.refund_failed", confirmed, times=1, reason="provider_unavailable")
    order = Order.objects.get(pk=confirmed.pk)
    assert (order.status, order.reason) == ("confirmed", "")
    last = order.history.last()
    assert (last.event, last.reason, last.ignored) == ("payment.refund_failed", "provider_unavailable", True)


def test_a_refund_that_is_heard_of_before_the_payment_sells_nothing(atoll_bus):
    order = placed()
    tell(atoll_bus, "stock.reserved", order)
    tell(atoll_bus, "payment.refunded", order, times=1, reason="wrong card")
    tell(atoll_bus, "payment.completed", order, times=1)
    tell(atoll_bus, "payment.refunded", order, times=1, reason="wrong card")
    tell(atoll_bus, "stock.released", order, times=1)

    order.refresh_from_db()
    assert (order.status, order.reason, order.refund) == ("cancelled", "wrong card", "done")
    assert compensations(order) == {"release.stock": "done", "refund.payment": "done"}
    assert "commit.stock" not in commands(atoll_bus)
    assert atoll_bus.published("order.confirmed") == []


def test_a_refunded_order_can_not_be_cancelled(atoll_as_user, atoll_bus, refunded):
    answer = atoll_as_user(refunded.user_id).post(f"/orders/{refunded.id}/cancel", {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "order_already_refunded")
    assert Order.objects.get(pk=refunded.pk).reason == "broken on arrival"


def test_goods_that_came_back_with_the_refund_are_returned_to_the_stock(atoll_bus, confirmed):
    tell(atoll_bus, "payment.refunded", confirmed, reason="sent back", returnGoods=True)

    assert compensations(confirmed) == {"return.stock": "asked"}
    assert commands(atoll_bus)[3:] == ["return.stock"]
    assert (
        atoll_bus.sent("return.stock")[0]["data"]["items"]
        == atoll_bus.sent("commit.stock")[0]["data"]["items"]
    )
    tell(atoll_bus, "stock.returned", confirmed)
    assert compensations(confirmed) == {"return.stock": "done"}
    assert Order.objects.get(pk=confirmed.pk).status == "refunded"


def test_goods_of_an_order_that_was_never_sold_are_released_and_not_returned(atoll_bus):
    order = placed()
    tell(atoll_bus, "stock.reserved", order)
    cancel_order(order.id, BY_CUSTOMER, reason="changed my mind")
    tell(atoll_bus, "payment.refunded", order, reason="x", returnGoods=True)
    assert "return.stock" not in commands(atoll_bus)
    assert compensations(order) == {"release.stock": "asked", "refund.payment": "done"}


def test_goods_that_come_back_later_are_returned_once(atoll_bus, refunded):
    return_goods(refunded.id, BY_STAFF, note="parcel 17")

    assert commands(atoll_bus)[3:] == ["return.stock"]
    entry = refunded.history.last()
    assert (entry.event, entry.actor, entry.reason) == ("goods.came_back", "staff:stan", "parcel 17")
    with pytest.raises(Conflict) as again:
        return_goods(refunded.id, BY_STAFF)
    assert again.value.code == "goods_returned"
    assert commands(atoll_bus)[3:] == ["return.stock"]


@pytest.mark.parametrize("event", [None, "stock.reserved", "payment.completed"])
def test_only_goods_of_a_refunded_order_come_back(atoll_bus, event):
    order = placed()
    if event == "payment.completed":
        tell(atoll_bus, "stock.reserved", order)
    if event:
        tell(atoll_bus, event, order)
    before = commands(atoll_bus)
    with pytest.raises(Conflict) as refusal:
        return_goods(order.id, BY_STAFF)
    assert refusal.value.code == "not_refunded"
    with pytest.raises(NotFound):
        return_goods(uuid7(), BY_STAFF)
    assert commands(atoll_bus) == before
    assert compensations(order) == {}


def test_a_return_that_fails_or_is_not_answered_calls_a_person(atoll_bus, refunded, settings):
    settings.COMPENSATION_DEADLINE_S = 900
    return_goods(refunded.id, BY_STAFF)
    atoll_bus.run_due(timezone.now() + timedelta(seconds=901))
    assert compensations(refunded) == {"return.stock": "failed"}

    tell(atoll_bus, "stock.returned", refunded)
    assert compensations(refunded) == {"return.stock": "done"}


def page_of(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


def test_staff_return_goods_on_the_page_of_a_refunded_order(staff, atoll_bus, refunded):
    assert "Goods came back…" in staff.get(page_of(refunded)).content.decode()
    answer = staff.post(
        reverse("admin:orders_order_return_goods", args=[refunded.pk]),
        {"_form_submitted": "on", "note": "parcel 17"},
    )
    assert answer.status_code == 302
    assert compensations(refunded) == {"return.stock": "asked"}
    page = staff.get(page_of(refunded)).content.decode()
    assert "parcel 17" in page
    assert "Goods came back…" not in page


def test_nobody_returns_goods_of_a_sale_that_stands(staff, atoll_bus, confirmed):
    assert "Goods came back…" not in staff.get(page_of(confirmed)).content.decode()
    answer = staff.post(
        reverse("admin:orders_order_return_goods", args=[confirmed.pk]), {"_form_submitted": "on", "note": ""}
    )
    assert answer.status_code == 403
    assert compensations(confirmed) == {}
