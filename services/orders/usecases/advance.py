"""Carry out one step of an order's course: state, history, messages and timers, together.

Use cases that a handler calls open no savepoint of their own: the transaction is the
bus's, and when one of them fails all of it is rolled back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.utils import timezone

from atoll import context
from atoll.errors import NotFound
from services.orders.compensation import Compensation, Undoing
from services.orders.course import FINAL, MONEY_BACK, Event, State, Status, Step, next_step
from services.orders.models import MAX_REASON_LENGTH, Order, OrderCompensation, OrderTransition
from services.orders.usecases.outgoing import Outgoing, time_to_undo

log = structlog.get_logger("services.orders")

Rows = dict[Compensation, OrderCompensation]


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


def advance(order: Order, event: Event, cause: Cause, *, reason: str = "", note: str = "") -> Step:
    """Let the event happen to a locked order; the step that was made.

    ``reason`` becomes the order's when the event cancels or refunds it; the history keeps ``note``,
    or the reason when there is no note. An event that the course does not expect now
    changes nothing and sends nothing, and the history keeps that too.
    """
    rows = compensations_of(order)
    before = _state(order, rows)
    step = next_step(before, event)
    if step.state.status != before.status:
        _write_status(order, step.state.status, reason or event.value)
    undoing = _write_compensations(order, rows, step, event, note or reason)
    record(
        order,
        event,
        cause,
        before=before.status,
        after=step.state.status,
        note=note or reason,
        undoing=undoing,
    )
    outgoing = Outgoing(order, rows)
    for action in step.actions:
        outgoing.carry_out(action)
    return step


def compensations_of(order: Order) -> Rows:
    """Only an order whose money goes back has any."""
    if order.status not in MONEY_BACK:
        return {}
    return {Compensation(row.kind): row for row in OrderCompensation.objects.filter(order=order)}


def record(
    order: Order,
    event: Event,
    cause: Cause,
    *,
    before: Status | None,
    after: Status,
    note: str = "",
    undoing: str = "",
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
        undoing=undoing,
    )


def _state(order: Order, rows: Mapping[Compensation, OrderCompensation]) -> State:
    state = State(Status(order.status))
    for compensation, row in rows.items():
        state = state.having(compensation, Undoing(row.state))
    return state


def _write_status(order: Order, status: Status, reason: str) -> None:
    order.status = status
    if status in MONEY_BACK:
        order.reason = reason[:MAX_REASON_LENGTH]
    if status in FINAL and order.finished_at is None:
        order.finished_at = timezone.now()
    order.save(update_fields=["status", "reason", "finished_at", "updated_at"])


def _write_compensations(order: Order, rows: Rows, step: Step, event: Event, reason: str) -> str:
    """Bring the rows to where the step leaves them; what changed, in the history's words."""
    now = timezone.now()
    for compensation, undoing in step.undoing:
        if undoing is not Undoing.ASKED:
            rows[compensation].end(undoing, by=event, reason=reason, at=now)
        elif compensation in rows:
            rows[compensation].ask_anew(at=now, due_at=now + time_to_undo())
        else:
            rows[compensation] = OrderCompensation(
                order=order, kind=compensation, asked_at=now, due_at=now + time_to_undo()
            )
        rows[compensation].save()
        if undoing is Undoing.FAILED:
            log.error(
                "order needs attention: it cannot be undone",
                order_id=str(order.pk),
                compensation=compensation.value,
                after=event.value,
                reason=reason,
            )
    return ", ".join(str(rows[compensation]) for compensation, _ in step.undoing)
