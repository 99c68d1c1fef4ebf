"""The messages that an order sends, each built from the order as it is now."""

from collections.abc import Callable, Mapping
from typing import Any

from atoll import bus
from services.orders.course import Action
from services.orders.events import (
    CommitStock,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderedItem,
    ProcessPayment,
    RefundPayment,
    ReleaseStock,
    ReserveStock,
    StockItem,
)
from services.orders.models import Order, OrderLine


def deadline_token(order: Order) -> str:
    return f"order:{order.pk}:deadline"


def announce_created(order: Order, lines: list[OrderLine]) -> None:
    """``order.created`` for everybody, ``reserve.stock`` for products."""
    items = [OrderedItem(line.product_id, line.name, line.quantity, line.unit_price) for line in lines]
    bus.publish(
        OrderCreated(order.pk, order.user_id, items, order.total, order.currency),
        key=str(order.pk),
    )
    bus.send(
        ReserveStock(order.pk, [StockItem(line.product_id, line.quantity) for line in lines]),
        key=str(order.pk),
    )


def send_out(action: Action, order: Order) -> None:
    """Queue the action's message in the running transaction, in order with the order's others."""
    deliver, build = _MESSAGES[action]
    deliver(build(order), key=str(order.pk))


def _stock_items(order: Order) -> list[StockItem]:
    return [StockItem(line.product_id, line.quantity) for line in order.lines.all()]


def _process_payment(order: Order) -> ProcessPayment:
    return ProcessPayment(order.pk, order.total, order.currency, order.user_id, order.payment_method)


def _confirmed(order: Order) -> OrderConfirmed:
    return OrderConfirmed(order.pk, order.user_id, order.total, order.currency)


def _cancelled(order: Order) -> OrderCancelled:
    return OrderCancelled(order.pk, order.user_id, order.total, order.currency, order.reason)


_MESSAGES: Mapping[Action, tuple[Callable[..., Any], Callable[[Order], object]]] = {
    Action.REQUEST_PAYMENT: (bus.send, _process_payment),
    Action.COMMIT_STOCK: (bus.send, lambda order: CommitStock(order.pk, _stock_items(order))),
    Action.RELEASE_STOCK: (bus.send, lambda order: ReleaseStock(order.pk, _stock_items(order))),
    Action.REFUND_PAYMENT: (bus.send, lambda order: RefundPayment(order.pk, order.reason)),
    Action.ANNOUNCE_CONFIRMED: (bus.publish, _confirmed),
    Action.ANNOUNCE_CANCELLED: (bus.publish, _cancelled),
}
