"""Handlers of orders; each runs in one transaction of the bus."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from atoll.bus import Ignore, Message, handles, on
from atoll.errors import NotFound
from atoll.forgetting import forget_person
from services.orders.compensation import Compensation
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
from services.orders.state_machine import Event
from services.orders.usecases.advance import Origin
from services.orders.usecases.cancel_orders_of_user import cancel_orders_of_user
from services.orders.usecases.expire_compensation import expire_compensation
from services.orders.usecases.forget_customer import forget_customer
from services.orders.usecases.record_event import record_event
from services.orders.usecases.record_payment_refunded import record_payment_refunded
from services.orders.usecases.record_stock_rejected import record_stock_rejected
from services.orders.usecases.refresh_customer import refresh_customer


def _origin(message: Message) -> Origin:
    return Origin(actor=message.service_id or "unknown", message_id=str(message.id))


@contextmanager
def ignoring_unknown_orders() -> Iterator[None]:
    """A message about an order of another system ends as ignored: retries would not help."""
    try:
        yield
    except NotFound as unknown:
        raise Ignore(unknown.message) from None


def _record(order_id: UUID, event: Event, message: Message, reason: str | None = None) -> None:
    with ignoring_unknown_orders():
        record_event(order_id, event, _origin(message), reason=reason or "")


@on("stock.reserved")
def on_stock_reserved(event: StockReserved, message: Message) -> None:
    _record(event.order_id, Event.STOCK_RESERVED, message)


@on("stock.rejected")
def on_stock_rejected(event: StockRejected, message: Message) -> None:
    with ignoring_unknown_orders():
        record_stock_rejected(event.order_id, event.shortages, _origin(message))


@on("payment.completed")
def on_payment_completed(event: PaymentOutcome, message: Message) -> None:
    _record(event.order_id, Event.PAYMENT_COMPLETED, message)


@on("payment.failed")
def on_payment_failed(event: PaymentOutcome, message: Message) -> None:
    _record(event.order_id, Event.PAYMENT_FAILED, message, event.reason)


@on("payment.refunded")
def on_payment_refunded(event: PaymentRefunded, message: Message) -> None:
    with ignoring_unknown_orders():
        record_payment_refunded(
            event.order_id, event.reason or "", _origin(message), return_goods=event.return_goods
        )


@on("payment.voided")
def on_payment_voided(event: PaymentOutcome, message: Message) -> None:
    _record(event.order_id, Event.PAYMENT_VOIDED, message, event.reason)


@on("payment.refund_failed")
def on_payment_refund_failed(event: PaymentOutcome, message: Message) -> None:
    _record(event.order_id, Event.PAYMENT_REFUND_FAILED, message, event.reason)


@on("stock.released")
def on_stock_released(event: StockReleased, message: Message) -> None:
    _record(event.order_id, Event.STOCK_RELEASED, message)


@on("stock.release_failed")
def on_stock_release_failed(event: StockReleaseFailed, message: Message) -> None:
    _record(event.order_id, Event.STOCK_RELEASE_FAILED, message, event.reason)


@on("stock.returned")
def on_stock_returned(event: StockReturned, message: Message) -> None:
    _record(event.order_id, Event.STOCK_RETURNED, message)


@on("stock.return_failed")
def on_stock_return_failed(event: StockReturnFailed, message: Message) -> None:
    _record(event.order_id, Event.STOCK_RETURN_FAILED, message, event.reason)


@handles("expire.order")
def on_deadline(command: ExpireOrder, message: Message) -> None:
    _record(command.order_id, Event.DEADLINE_PASSED, message)


@handles("expire.compensation")
def on_compensation_overdue(command: ExpireCompensation, message: Message) -> None:
    with ignoring_unknown_orders():
        expire_compensation(
            command.order_id, Compensation(command.compensation), command.ask, _origin(message)
        )


@on("user.updated")
def on_user_updated(event: UserUpdated, message: Message) -> None:
    refresh_customer(event.user_id, event.changes, message.timestamp)


@on("user.deleted")
def on_user_deleted(event: UserDeleted, message: Message) -> None:
    cancel_orders_of_user(event.user_id, _origin(message))
    forget_customer(event.user_id, message.timestamp)
    forget_person(event.user_id)
