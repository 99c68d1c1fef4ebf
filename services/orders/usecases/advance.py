"""Apply one step of the state machine: status, compensations, history and effects in one transaction.

Use cases that a handler calls open no savepoint: they run in the bus's transaction, and a
failure rolls all of it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from atoll import context
from atoll.errors import NotFound
from atoll.metrics import observe_outcome
from services.orders.compensation import Compensation, CompensationState
from services.orders.deadlines import time_to_compensate
from services.orders.models import MAX_REASON_LENGTH, Order, OrderCompensation, OrderTransition
from services.orders.state_machine import FINAL, MONEY_BACK, REASONS, Event, State, Status, Step, next_step
from services.orders.statements import locked_order, move_order
from services.orders.usecases.effects import Effects

log = structlog.get_logger("services.orders")

Rows = dict[Compensation, OrderCompensation]


@dataclass(frozen=True)
class Origin:
    """The actor and the message behind an event.

    ``actor`` is ``user:ID``, ``staff:ID`` or the name of a service on the wire. ``message_id``
    is empty when a person called the API or used the admin.
    """

    actor: str
    message_id: str = ""


def lock_order(order_id: UUID) -> Order:
    """The order, locked until the transaction ends. Every change of an order waits for this lock.

    Raises NotFound (``order_not_found``).
    """
    order = locked_order(order_id)
    if order is None:
        raise NotFound(f"There is no order {order_id}.", code="order_not_found", title="Order not found")
    return order


def advance(order: Order, event: Event, origin: Origin, *, reason: str = "", note: str = "") -> Step:
    """Apply the event to a locked order and return the step.

    ``reason`` becomes the order's reason when the event cancels or refunds it; ``REASONS`` has
    the defaults. The history stores ``note``, or the reason without a note. An event that
    the state machine does not expect in this state has no effects and one line of history.
    """
    reason = reason or REASONS.get(event, "")
    rows = compensations_of(order)
    before = _state(order, rows)
    step = next_step(before, event)
    note = note or reason
    has_moved = step.state.status != before.status
    if has_moved:
        _set_status(order, step.state.status, reason or event.value)
    changed = _change_compensations(order, rows, step, event, note)
    entry = entry_of(
        order, event, origin, before=before.status, note=note, undoing=", ".join(map(str, changed))
    )
    if has_moved:
        move_order(order, entry)
        if step.state.status in FINAL:
            transaction.on_commit(partial(observe_outcome, "order", step.state.status.value))
    else:
        entry.save()
    for row in changed:
        row.save()
    effects = Effects(order, rows)
    for effect in step.effects:
        effects.apply(effect)
    return step


def compensations_of(order: Order) -> Rows:
    """The rows of the order by kind; an order outside of MONEY_BACK has none."""
    if order.status not in MONEY_BACK:
        return {}
    return {Compensation(row.kind): row for row in OrderCompensation.objects.filter(order=order)}


def entry_of(
    order: Order,
    event: Event,
    origin: Origin,
    *,
    before: Status | None,
    note: str = "",
    undoing: str = "",
) -> OrderTransition:
    """A line of the order's history, not stored yet; the order has its new status."""
    return OrderTransition(
        order=order,
        from_status=before or "",
        to_status=order.status,
        event=event,
        message_id=origin.message_id,
        actor=origin.actor,
        correlation_id=context.correlation_id() or "",
        reason=note[:MAX_REASON_LENGTH],
        undoing=undoing,
    )


def _state(order: Order, rows: Mapping[Compensation, OrderCompensation]) -> State:
    state = State(Status(order.status))
    for compensation, row in rows.items():
        state = state.having(compensation, CompensationState(row.state))
    return state


def _set_status(order: Order, status: Status, reason: str) -> None:
    order.status, order.updated_at = status, timezone.now()
    if status in MONEY_BACK:
        order.reason = reason[:MAX_REASON_LENGTH]
    if status in FINAL and order.finished_at is None:
        order.finished_at = order.updated_at


def _change_compensations(
    order: Order, rows: Rows, step: Step, event: Event, reason: str
) -> list[OrderCompensation]:
    """Give the compensations the states that the step reached. Returns them; the caller stores them."""
    now = timezone.now()
    for compensation, reached in step.compensations:
        if reached is not CompensationState.ASKED:
            rows[compensation].end(reached, by=event, reason=reason, at=now)
        elif compensation in rows:
            rows[compensation].ask_anew(at=now, due_at=now + time_to_compensate())
        else:
            rows[compensation] = OrderCompensation(
                order=order, kind=compensation, asked_at=now, due_at=now + time_to_compensate()
            )
        if reached is CompensationState.FAILED:
            log.error(
                "compensation failed, a person must look at the order",
                order_id=str(order.pk),
                compensation=compensation.value,
                after=event.value,
                reason=reason,
            )
    return [rows[compensation] for compensation, _ in step.compensations]
