"""The commands, events and timers of an order, built from its rows."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from uuid import UUID

from atoll import bus, money
from services.orders.compensation import Compensation
from services.orders.deadlines import time_allowed, time_to_compensate
from services.orders.events import (
    CommitStock,
    CompensatingCommand,
    ExpireCompensation,
    ExpireOrder,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderedItem,
    OrderRefunded,
    ProcessPayment,
    RefundPayment,
    ReleaseStock,
    ReserveStock,
    ReturnStock,
    StockItem,
)
from services.orders.models import Order, OrderCompensation
from services.orders.state_machine import Effect


class Effects:
    """Applies the effects of one step in the running transaction.

    The order's id is the key of each message, so the relay publishes them in the order of their
    commits. ``compensations`` has the order's rows after the step.
    """

    def __init__(
        self,
        order: Order,
        compensations: Mapping[Compensation, OrderCompensation] | None = None,
    ) -> None:
        self._order = order
        self._compensations = compensations or {}

    def apply(self, effect: Effect) -> None:
        _APPLY[effect](self)

    def _send(self, command: bus.AddressedCommand) -> None:
        bus.send(command, key=str(self._order.pk))

    def _publish(self, event: bus.Event) -> None:
        bus.publish(event, key=str(self._order.pk))

    @property
    def _total(self) -> Decimal:
        return money.exact(self._order.total, self._order.currency)

    def _stock_items(self) -> list[StockItem]:
        return [StockItem(UUID(str(product_id)), quantity) for product_id, quantity in self._order.pieces]

    def _reserve_stock(self) -> None:
        self._send(ReserveStock(self._order.pk, self._stock_items()))

    def _request_payment(self) -> None:
        order = self._order
        self._send(ProcessPayment(order.pk, self._total, order.currency, order.user_id, order.payment_method))

    def _commit_stock(self) -> None:
        self._send(CommitStock(self._order.pk, self._stock_items()))

    def _release_stock(self) -> None:
        self._send(ReleaseStock(self._order.pk, self._stock_items()))

    def _return_stock(self) -> None:
        self._send(ReturnStock(self._order.pk, self._stock_items()))

    def _refund_payment(self) -> None:
        self._send(RefundPayment(self._order.pk, self._order.reason))

    def _announce_created(self) -> None:
        order = self._order
        items = [
            OrderedItem(
                line.product_id, line.name, line.quantity, money.exact(line.unit_price, order.currency)
            )
            for line in order.shown_lines or ()
        ]
        self._publish(OrderCreated(order.pk, order.user_id, items, self._total, order.currency))

    def _announce_confirmed(self) -> None:
        order = self._order
        self._publish(OrderConfirmed(order.pk, order.user_id, self._total, order.currency))

    def _announce_cancelled(self) -> None:
        order = self._order
        self._publish(OrderCancelled(order.pk, order.user_id, self._total, order.currency, order.reason))

    def _announce_refunded(self) -> None:
        order = self._order
        self._publish(OrderRefunded(order.pk, order.user_id, self._total, order.currency, order.reason))

    def _start_deadline(self) -> None:
        bus.schedule(ExpireOrder(self._order.pk), after=time_allowed(), token=self._timer("deadline"))

    def _stop_deadline(self) -> None:
        bus.cancel_scheduled(self._timer("deadline"))

    def _start_waiting(self, compensation: Compensation) -> None:
        self._stop_waiting(compensation)
        asked = self._compensations[compensation]
        bus.schedule(
            ExpireCompensation(self._order.pk, _ON_THE_WIRE[compensation], asked.asks),
            after=time_to_compensate(),
            token=self._timer(compensation.value),
        )

    def _stop_waiting(self, compensation: Compensation) -> None:
        bus.cancel_scheduled(self._timer(compensation.value))

    def _timer(self, name: str) -> str:
        return f"order:{self._order.pk}:{name}"


_ON_THE_WIRE: Mapping[Compensation, CompensatingCommand] = {
    Compensation.RELEASE: "release.stock",
    Compensation.REFUND: "refund.payment",
    Compensation.RETURN: "return.stock",
}

_APPLY: Mapping[Effect, Callable[[Effects], None]] = {
    Effect.RESERVE_STOCK: Effects._reserve_stock,
    Effect.REQUEST_PAYMENT: Effects._request_payment,
    Effect.COMMIT_STOCK: Effects._commit_stock,
    Effect.RELEASE_STOCK: Effects._release_stock,
    Effect.REFUND_PAYMENT: Effects._refund_payment,
    Effect.RETURN_STOCK: Effects._return_stock,
    Effect.ANNOUNCE_CREATED: Effects._announce_created,
    Effect.ANNOUNCE_CONFIRMED: Effects._announce_confirmed,
    Effect.ANNOUNCE_CANCELLED: Effects._announce_cancelled,
    Effect.ANNOUNCE_REFUNDED: Effects._announce_refunded,
    Effect.START_DEADLINE: Effects._start_deadline,
    Effect.STOP_DEADLINE: Effects._stop_deadline,
    Effect.START_RELEASE_DEADLINE: partial(Effects._start_waiting, compensation=Compensation.RELEASE),
    Effect.STOP_RELEASE_DEADLINE: partial(Effects._stop_waiting, compensation=Compensation.RELEASE),
    Effect.START_REFUND_DEADLINE: partial(Effects._start_waiting, compensation=Compensation.REFUND),
    Effect.STOP_REFUND_DEADLINE: partial(Effects._stop_waiting, compensation=Compensation.REFUND),
    Effect.START_RETURN_DEADLINE: partial(Effects._start_waiting, compensation=Compensation.RETURN),
    Effect.STOP_RETURN_DEADLINE: partial(Effects._stop_waiting, compensation=Compensation.RETURN),
}
