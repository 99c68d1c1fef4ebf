"""Carry out one step of an order's course: status, history and messages, together.

Use cases that a handler calls open no savepoint of their own: the transaction is the
bus's, and when one of them fails all of it is rolled back.
"""

from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from atoll import bus, context
from atoll.errors import NotFound
from services.orders.course import FINAL, Event, Status, next_step
from services.orders.models import MAX_REASON_LENGTH, Order, OrderTransition
from services.orders.usecases.outgoing import deadline_token, send_out


@dataclass(frozen=True)
class Cause:
    """Who or what made something happen to an order.

    ``actor`` is ``user:ID``, ``staff:ID`` or a service's name on the wire;
    ``message_id`` is the message that told us, empty when a person asked directly.
    """

    actor: str
    message_id: str = ""


def lock_order(order_id: UUID) -> Order:
    """The order, locked until the transaction ends: everything that moves an order queues here.

    Raises NotFound (``order_not_found``).
    """
    try:
        return Order.objects.select_for_update().get(pk=order_id)
    except Order.DoesNotExist:
        raise NotFound(
            f"There is no order {order_id}.", code="order_not_found", title="Order not found"
        ) from None


def advance(order: Order, event: Event, cause: Cause, *, reason: str = "", note: str = "") -> bool:
    """Let the event happen to a locked order; True when its status moved.

    ``reason`` becomes the order's when the event cancels it; the history keeps ``note``,
    or the reason when there is no note. An event that the course does not expect now
    changes nothing and sends nothing, and the history keeps that too.
    """
    before = Status(order.status)
    step = next_step(before, event)
    record(order, event, cause, before=before, after=step.to, note=note or reason)
    if step.to != before:
        order.status = step.to
        if step.to == Status.CANCELLED:
            order.reason = (reason or event.value)[:MAX_REASON_LENGTH]
        if step.to in FINAL:
            order.finished_at = timezone.now()
            bus.cancel_scheduled(deadline_token(order))
        order.save(update_fields=["status", "reason", "finished_at", "updated_at"])
    for action in step.actions:
        send_out(action, order)
    return step.to != before


def record(
    order: Order, event: Event, cause: Cause, *, before: Status | None, after: Status, note: str = ""
) -> None:
    """One line of the order's history."""
    OrderTransition.objects.create(
        order=order,
        from_status=before or "",
        to_status=after,
        event=event,
        message_id=cause.message_id,
        actor=cause.actor,
        correlation_id=context.correlation_id() or "",
        reason=note[:MAX_REASON_LENGTH],
    )
