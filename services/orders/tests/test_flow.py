"""An order from its placing to its end, message by message."""

import pytest

from atoll import context
from services.orders.models import Order
from services.orders.tests.placing import LAMP, ROPE, kept, moves, placed

pytestmark = pytest.mark.django_db


def stock_items() -> list[dict]:
    return [{"productId": str(LAMP.id), "quantity": 2}, {"productId": str(ROPE.id), "quantity": 1}]


def reserved(bus, order: Order) -> None:
    bus.deliver("stock.reserved", {"orderId": str(order.id), "shortages": []})


def paid(bus, order: Order) -> None:
    bus.deliver("payment.completed", payment(order))


def payment(order: Order, reason: str | None = None) -> dict:
    return {
        "orderId": str(order.id),
        "paymentId": "0198c0de-0000-7000-8000-000000000001",
        "amount": 129.3,
        "currency": "EUR",
        "reason": reason,
    }


def sent(bus) -> list[str]:
    return [envelope["command"] for envelope in bus.sent()]


def announced(bus) -> list[str]:
    return [envelope["eventType"] for envelope in bus.published()]


def data_of(envelope: dict) -> dict:
    return {name: value for name, value in envelope["data"].items() if name != "timestamp"}


def test_placing_announces_the_order_and_asks_products_for_the_stock(atoll_bus):
    order = placed()

    assert order.status == "pending"
    [created] = atoll_bus.published("order.created")
    assert data_of(created) == {
        "orderId": str(order.id),
        "userId": str(order.user_id),
        "items": [
            {"productId": str(LAMP.id), "name": "Trail lamp", "quantity": 2, "unitPrice": 24.9},
            {"productId": str(ROPE.id), "name": "Climbing rope", "quantity": 1, "unitPrice": 79.5},
        ],
        "total": 129.3,
        "currency": "EUR",
    }
    [reserve] = atoll_bus.sent("reserve.stock")
    assert data_of(reserve) == {"orderId": str(order.id), "items": stock_items()}
    assert moves(order) == [("order.placed", "", "pending")]


def test_reserved_stock_leads_to_the_payment_of_exactly_the_total(atoll_bus):
    order = placed(payment_method="card-flaky")

    reserved(atoll_bus, order)

    order.refresh_from_db()
    assert order.status == "awaiting_payment"
    [process] = atoll_bus.sent("process.payment")
    assert data_of(process) == {
        "orderId": str(order.id),
        "amount": 129.3,
        "currency": "EUR",
        "userId": str(order.user_id),
        "paymentMethod": "card-flaky",
    }


def test_a_paid_order_is_confirmed_and_its_stock_is_sold(atoll_bus):
    order = placed()
    reserved(atoll_bus, order)
    paid(atoll_bus, order)

    order.refresh_from_db()
    assert (order.status, order.reason) == ("confirmed", "")
    assert order.finished_at is not None
    assert sent(atoll_bus) == ["reserve.stock", "process.payment", "commit.stock"]
    assert announced(atoll_bus) == ["order.created", "order.confirmed"]
    [commit] = atoll_bus.sent("commit.stock")
    assert data_of(commit) == {"orderId": str(order.id), "items": stock_items()}
    [confirmed] = atoll_bus.published("order.confirmed")
    assert data_of(confirmed) == {
        "orderId": str(order.id),
        "userId": str(order.user_id),
        "total": 129.3,
        "currency": "EUR",
        "reason": None,
    }
    assert moves(order) == [
        ("order.placed", "", "pending"),
        ("stock.reserved", "pending", "awaiting_payment"),
        ("payment.completed", "awaiting_payment", "confirmed"),
    ]


def test_an_order_without_stock_is_cancelled_and_tells_what_was_short(atoll_bus):
    order = placed()

    atoll_bus.deliver(
        "stock.rejected",
        {
            "orderId": str(order.id),
            "shortages": [{"productId": str(LAMP.id), "requested": 2, "available": 1}],
        },
    )

    order.refresh_from_db()
    assert (order.status, order.reason) == ("cancelled", "out_of_stock")
    assert order.history.last().reason == "Trail lamp: 2 asked, 1 available"
    assert sent(atoll_bus) == ["reserve.stock"]
    [cancelled] = atoll_bus.published("order.cancelled")
    assert cancelled["data"]["reason"] == "out_of_stock"


def test_a_reservation_that_was_released_before_does_not_claim_that_stock_is_out(atoll_bus):
    """As when the dead letter of a reservation is replayed after the order gave its stock back."""
    order = placed()

    atoll_bus.deliver("stock.rejected", {"orderId": str(order.id), "shortages": []})

    order.refresh_from_db()
    assert (order.status, order.reason) == ("cancelled", "stock_released")
    assert order.history.last().reason == "The reservation was released before. No product was short."


def test_a_declined_payment_cancels_the_order_and_lets_the_stock_go(atoll_bus):
    order = placed()
    reserved(atoll_bus, order)

    atoll_bus.deliver("payment.failed", payment(order, reason="card_declined"))

    order.refresh_from_db()
    assert (order.status, order.reason) == ("cancelled", "card_declined")
    assert sent(atoll_bus) == ["reserve.stock", "process.payment", "release.stock"]
    [release] = atoll_bus.sent("release.stock")
    assert data_of(release) == {"orderId": str(order.id), "items": stock_items()}
    assert announced(atoll_bus) == ["order.created", "order.cancelled"]


def test_a_failed_payment_without_a_reason_still_gives_one(atoll_bus):
    order = placed()
    reserved(atoll_bus, order)
    atoll_bus.deliver("payment.failed", payment(order))
    order.refresh_from_db()
    assert order.reason == "payment_failed"


def test_repeated_answers_are_kept_in_the_history_and_change_nothing(atoll_bus):
    order = placed()
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)}, times=1)
    atoll_bus.deliver("payment.completed", payment(order), times=1)
    before = Order.objects.values().get(pk=order.pk)
    messages = (sent(atoll_bus), announced(atoll_bus))

    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)}, times=1)
    atoll_bus.deliver("payment.completed", payment(order), times=2)
    atoll_bus.deliver("payment.failed", payment(order, reason="late"), times=1)
    atoll_bus.deliver("stock.rejected", {"orderId": str(order.id), "shortages": []}, times=1)

    assert Order.objects.values().get(pk=order.pk) == before
    assert (sent(atoll_bus), announced(atoll_bus)) == messages
    assert kept(order) == [
        ("stock.reserved", "confirmed"),
        ("payment.completed", "confirmed"),
        ("payment.completed", "confirmed"),
        ("payment.failed", "confirmed"),
        ("stock.rejected", "confirmed"),
    ]


def test_one_message_delivered_many_times_is_one_entry_of_the_history(atoll_bus):
    order = placed()
    message_id = "0198c0de-0000-7000-8000-00000000abcd"

    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)}, times=5, message_id=message_id)

    [entry] = order.history.filter(event="stock.reserved")
    assert entry.message_id == message_id
    assert len(atoll_bus.sent("process.payment")) == 1


def test_a_payment_before_the_stock_is_reserved_does_not_confirm_the_order(atoll_bus):
    order = placed()
    atoll_bus.deliver("payment.completed", payment(order), times=1)
    order.refresh_from_db()
    assert order.status == "pending"
    assert kept(order) == [("payment.completed", "pending")]
    assert sent(atoll_bus) == ["reserve.stock"]


def test_stock_reserved_after_the_cancellation_is_released_again(atoll_bus):
    order = placed()
    atoll_bus.deliver("expire.order", {"orderId": str(order.id)})
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)}, times=1)
    order.refresh_from_db()
    assert order.status == "cancelled"
    assert kept(order)[-1] == ("stock.reserved", "cancelled")
    assert sent(atoll_bus) == ["reserve.stock", "release.stock", "release.stock"]


def test_a_payment_that_completes_after_the_cancellation_is_refunded(atoll_bus):
    order = placed()
    reserved(atoll_bus, order)
    atoll_bus.deliver("payment.failed", payment(order, reason="card_declined"))

    atoll_bus.deliver("payment.completed", payment(order), times=1)

    order.refresh_from_db()
    assert order.status == "cancelled"
    [refund] = atoll_bus.sent("refund.payment")
    assert data_of(refund) == {"orderId": str(order.id), "reason": "card_declined"}


def test_a_refund_is_shown_in_the_history_and_changes_no_status(atoll_bus):
    order = placed()
    reserved(atoll_bus, order)
    atoll_bus.deliver("expire.order", {"orderId": str(order.id)})

    atoll_bus.deliver("payment.refunded", payment(order, reason="deadline_passed"))

    assert kept(order)[-1] == ("payment.refunded", "cancelled")
    assert order.history.last().reason == "deadline_passed"


def test_history_names_the_message_its_sender_and_the_correlation(atoll_bus):
    with context.work(correlation_id="placing-0001"):
        order = placed()
    atoll_bus.deliver(
        "stock.reserved",
        {"orderId": str(order.id)},
        message_id="0198c0de-0000-7000-8000-00000000beef",
        correlation_id="delivery-0001",
        service_id="product-service",
    )
    first, second = order.history.all()
    assert (first.actor, first.message_id, first.correlation_id) == ("user:test", "", "placing-0001")
    assert (second.actor, second.message_id, second.correlation_id) == (
        "product-service",
        "0198c0de-0000-7000-8000-00000000beef",
        "delivery-0001",
    )


@pytest.mark.parametrize("event", ["stock.reserved", "stock.rejected", "payment.completed", "payment.failed"])
def test_an_answer_about_an_order_we_never_had_is_ignored(atoll_bus, event):
    deliveries = atoll_bus.deliver(
        event, {"orderId": "0198c0de-0000-7000-8000-00000000dead", "shortages": []}
    )
    assert {delivery.status for delivery in deliveries} == {"ignored"}
    assert Order.objects.count() == 0
    assert atoll_bus.sent() == []
