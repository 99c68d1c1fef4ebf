"""What an order sends and which timers it sets, each built from the order as it is now."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from django.conf import settings

from atoll import bus, money
from services.orders.compensation import Compensation
from services.orders.course import Action
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
from services.orders.models import Order, OrderCompensation, OrderLine


def time_allowed() -> timedelta:
    """For an order, from its placing to its end."""
    return timedelta(seconds=settings.ORDER_DEADLINE_S)


def time_to_undo() -> timedelta:
    """For a compensation, from the asking to its confirmation."""
    return timedelta(seconds=settings.COMPENSATION_DEADLINE_S)


class Outgoing:
    """Carries out the actions of one step in the running transaction, in order with the order's others.

    ``compensations`` are the order's rows as the step leaves them. ``lines`` spares a query.
    """

    def __init__(
        self,
        order: Order,
        compensations: Mapping[Compensation, OrderCompensation] | None = None,
        lines: Sequence[OrderLine] | None = None,
    ) -> None:
        self._order = order
        self._compensations = compensations or {}
        self._known_lines = lines

    def carry_out(self, action: Action) -> None:
        _HOW[action](self)

    def _send(self, command: object) -> None:
        bus.send(command, key=str(self._order.pk))

    def _publish(self, event: object) -> None:
        bus.publish(event, key=str(self._order.pk))

    @property
    def _lines(self) -> Sequence[OrderLine]:
        if self._known_lines is None:
            self._known_lines = list(self._order.lines.all())
        return self._known_lines

    @property
    def _total(self) -> Decimal:
        return money.exact(self._order.total, self._order.currency)

    def _stock_items(self) -> list[StockItem]:
        return [StockItem(line.product_id, line.quantity) for line in self._lines]

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
            for line in self._lines
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
            after=time_to_undo(),
            token=self._timer(compensation.value),
        )

    def _stop_waiting(self, compensation: Compensation) -> None:
        bus.cancel_scheduled(self._timer(compensation.value))

    def _start_waiting_for_release(self) -> None:
        self._start_waiting(Compensation.RELEASE)

    def _stop_waiting_for_release(self) -> None:
        self._stop_waiting(Compensation.RELEASE)

    def _start_waiting_for_refund(self) -> None:
        self._start_waiting(Compensation.REFUND)

    def _stop_waiting_for_refund(self) -> None:
        self._stop_waiting(Compensation.REFUND)

    def _start_waiting_for_return(self) -> None:
        self._start_waiting(Compensation.RETURN)

    def _stop_waiting_for_return(self) -> None:
        self._stop_waiting(Compensation.RETURN)

    def _timer(self, name: str) -> str:
        return f"order:{self._order.pk}:{name}"


_ON_THE_WIRE: Mapping[Compensation, CompensatingCommand] = {
    Compensation.RELEASE: "release.stock",
    Compensation.REFUND: "refund.payment",
    Compensation.RETURN: "return.stock",
}

_HOW: Mapping[Action, Callable[[Outgoing], None]] = {
    Action.RESERVE_STOCK: Outgoing._reserve_stock,
    Action.REQUEST_PAYMENT: Outgoing._request_payment,
    Action.COMMIT_STOCK: Outgoing._commit_stock,
    Action.RELEASE_STOCK: Outgoing._release_stock,
    Action.REFUND_PAYMENT: Outgoing._refund_payment,
    Action.RETURN_STOCK: Outgoing._return_stock,
    Action.ANNOUNCE_CREATED: Outgoing._announce_created,
    Action.ANNOUNCE_CONFIRMED: Outgoing._announce_confirmed,
    Action.ANNOUNCE_CANCELLED: Outgoing._announce_cancelled,
    Action.ANNOUNCE_REFUNDED: Outgoing._announce_refunded,
    Action.START_DEADLINE: Outgoing._start_deadline,
    Action.STOP_DEADLINE: Outgoing._stop_deadline,
    Action.START_RELEASE_DEADLINE: Outgoing._start_waiting_for_release,
    Action.STOP_RELEASE_DEADLINE: Outgoing._stop_waiting_for_release,
    Action.START_REFUND_DEADLINE: Outgoing._start_waiting_for_refund,
    Action.STOP_REFUND_DEADLINE: Outgoing._stop_waiting_for_refund,
    Action.START_RETURN_DEADLINE: Outgoing._start_waiting_for_return,
    Action.STOP_RETURN_DEADLINE: Outgoing._stop_waiting_for_return,
}
