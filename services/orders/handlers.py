"""What orders does when a message arrives; each runs in one transaction of the bus."""

from collections.abc import Iterator
from contextlib import contextmanager

from atoll.bus import Ignore, Message, handles, on
from atoll.errors import NotFound
from atoll.forgetting import forget_person
from services.orders.compensation import Compensation
from services.orders.course import Event
from services.orders.events import (
    ExpireCompensation,
    ExpireOrder,
    PaymentOutcome,
    PaymentRefunded,
    StockRejected,
    StockReleased,
    StockReleaseFailed,
    StockReserved,
    StockReturned,
    StockReturnFailed,
    UserDeleted,
    UserUpdated,
)
from services.orders.usecases.advance import Cause
from services.orders.usecases.cancel_orders_of_user import cancel_orders_of_user
from services.orders.usecases.expire_compensation import expire_compensation
from services.orders.usecases.expire_order import expire_order
from services.orders.usecases.forget_customer import forget_customer
from services.orders.usecases.record_payment_completed import record_payment_completed
from services.orders.usecases.record_payment_failed import record_payment_failed
from services.orders.usecases.record_payment_refunded import record_payment_refunded
from services.orders.usecases.record_stock_rejected import record_stock_rejected
from services.orders.usecases.record_stock_reserved import record_stock_reserved
from services.orders.usecases.record_undoing import record_undoing
from services.orders.usecases.refresh_customer import refresh_customer


def _cause(message: Message) -> Cause:
    return Cause(actor=message.service_id or "unknown", message_id=str(message.id))


@contextmanager
def _strangers_ignored() -> Iterator[None]:
    """Any service may speak of orders we never had: noted by the bus, and nothing to retry."""
    try:
        yield
    except NotFound as unknown:
        raise Ignore(unknown.message) from None


@on("stock.reserved")
def on_stock_reserved(event: StockReserved, message: Message) -> None:
    with _strangers_ignored():
        record_stock_reserved(event.order_id, _cause(message))


@on("stock.rejected")
def on_stock_rejected(event: StockRejected, message: Message) -> None:
    with _strangers_ignored():
        record_stock_rejected(event.order_id, event.shortages, _cause(message))


@on("payment.completed")
def on_payment_completed(event: PaymentOutcome, message: Message) -> None:
    with _strangers_ignored():
        record_payment_completed(event.order_id, _cause(message))


@on("payment.failed")
def on_payment_failed(event: PaymentOutcome, message: Message) -> None:
    with _strangers_ignored():
        record_payment_failed(event.order_id, event.reason or "", _cause(message))


@on("payment.refunded")
def on_payment_refunded(event: PaymentRefunded, message: Message) -> None:
    with _strangers_ignored():
        record_payment_refunded(
            event.order_id, event.reason or "", _cause(message), return_goods=event.return_goods
        )


@on("payment.voided")
def on_payment_voided(event: PaymentOutcome, message: Message) -> None:
    with _strangers_ignored():
        record_undoing(event.order_id, Event.PAYMENT_VOIDED, event.reason or "", _cause(message))


@on("payment.refund_failed")
def on_payment_refund_failed(event: PaymentOutcome, message: Message) -> None:
    with _strangers_ignored():
        record_undoing(event.order_id, Event.PAYMENT_REFUND_FAILED, event.reason or "", _cause(message))


@on("stock.released")
def on_stock_released(event: StockReleased, message: Message) -> None:
    with _strangers_ignored():
        record_undoing(event.order_id, Event.STOCK_RELEASED, "", _cause(message))


@on("stock.release_failed")
def on_stock_release_failed(event: StockReleaseFailed, message: Message) -> None:
    with _strangers_ignored():
        record_undoing(event.order_id, Event.STOCK_RELEASE_FAILED, event.reason, _cause(message))


@on("stock.returned")
def on_stock_returned(event: StockReturned, message: Message) -> None:
    with _strangers_ignored():
        record_undoing(event.order_id, Event.STOCK_RETURNED, "", _cause(message))


@on("stock.return_failed")
def on_stock_return_failed(event: StockReturnFailed, message: Message) -> None:
    with _strangers_ignored():
        record_undoing(event.order_id, Event.STOCK_RETURN_FAILED, event.reason, _cause(message))


@handles("expire.order")
def on_deadline(command: ExpireOrder, message: Message) -> None:
    with _strangers_ignored():
        expire_order(command.order_id, _cause(message))


@handles("expire.compensation")
def on_compensation_overdue(command: ExpireCompensation, message: Message) -> None:
    with _strangers_ignored():
        expire_compensation(
            command.order_id, Compensation(command.compensation), command.ask, _cause(message)
        )


@on("user.updated")
def on_user_updated(event: UserUpdated, message: Message) -> None:
    refresh_customer(event.user_id, event.changes, message.timestamp)


@on("user.deleted")
def on_user_deleted(event: UserDeleted, message: Message) -> None:
    cancel_orders_of_user(event.user_id, _cause(message))
    forget_customer(event.user_id, message.timestamp)
    forget_person(event.user_id)
