"""The course of an order: what may happen to it in each status, and what must then be done.

    pending --stock.reserved--> awaiting_payment --payment.completed--> confirmed
       |                               |
       |  stock.rejected               |  payment.failed
       |  cancel, deadline,            |  cancel, deadline, user.deleted
       |  user.deleted                 |
       '-----------> cancelled <-------'

This module is the whole rule and touches nothing; ``usecases/advance.py`` carries it
out. Cancelling undoes whatever was asked for until then: the stock is always released,
since the reservation may still be under way, and the payment is refunded once it was
asked for. Answers that come after the cancellation undo themselves in the same way.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from django.db.models import TextChoices


class Status(TextChoices):
    PENDING = "pending", "Pending"
    AWAITING_PAYMENT = "awaiting_payment", "Awaiting payment"
    CONFIRMED = "confirmed", "Confirmed"
    CANCELLED = "cancelled", "Cancelled"


class Event(TextChoices):
    PLACED = "order.placed", "Order placed"
    STOCK_RESERVED = "stock.reserved", "Stock reserved"
    STOCK_REJECTED = "stock.rejected", "Stock rejected"
    PAYMENT_COMPLETED = "payment.completed", "Payment completed"
    PAYMENT_FAILED = "payment.failed", "Payment failed"
    PAYMENT_REFUNDED = "payment.refunded", "Payment refunded"
    CANCEL_REQUESTED = "cancel.requested", "Cancellation requested"
    DEADLINE_PASSED = "deadline.passed", "Deadline passed"
    USER_DELETED = "user.deleted", "Account deleted"


class Action(Enum):
    REQUEST_PAYMENT = "process.payment"
    COMMIT_STOCK = "commit.stock"
    RELEASE_STOCK = "release.stock"
    REFUND_PAYMENT = "refund.payment"
    ANNOUNCE_CONFIRMED = "order.confirmed"
    ANNOUNCE_CANCELLED = "order.cancelled"


@dataclass(frozen=True)
class Step:
    """Where an event leads, and the messages that go out with it, in this order."""

    to: Status
    actions: tuple[Action, ...] = ()


OPEN = frozenset({Status.PENDING, Status.AWAITING_PAYMENT})
FINAL = frozenset({Status.CONFIRMED, Status.CANCELLED})

_STOP_BEFORE_PAYMENT = Step(Status.CANCELLED, (Action.RELEASE_STOCK, Action.ANNOUNCE_CANCELLED))
_STOP_DURING_PAYMENT = Step(
    Status.CANCELLED, (Action.RELEASE_STOCK, Action.REFUND_PAYMENT, Action.ANNOUNCE_CANCELLED)
)

COURSE: Mapping[tuple[Status, Event], Step] = MappingProxyType(
    {
        # The shop was asked for stock.
        (Status.PENDING, Event.STOCK_RESERVED): Step(Status.AWAITING_PAYMENT, (Action.REQUEST_PAYMENT,)),
        (Status.PENDING, Event.STOCK_REJECTED): Step(Status.CANCELLED, (Action.ANNOUNCE_CANCELLED,)),
        (Status.PENDING, Event.CANCEL_REQUESTED): _STOP_BEFORE_PAYMENT,
        (Status.PENDING, Event.DEADLINE_PASSED): _STOP_BEFORE_PAYMENT,
        (Status.PENDING, Event.USER_DELETED): _STOP_BEFORE_PAYMENT,
        # The stock is held and the payment was asked for.
        (Status.AWAITING_PAYMENT, Event.PAYMENT_COMPLETED): Step(
            Status.CONFIRMED, (Action.COMMIT_STOCK, Action.ANNOUNCE_CONFIRMED)
        ),
        (Status.AWAITING_PAYMENT, Event.PAYMENT_FAILED): _STOP_BEFORE_PAYMENT,
        (Status.AWAITING_PAYMENT, Event.CANCEL_REQUESTED): _STOP_DURING_PAYMENT,
        (Status.AWAITING_PAYMENT, Event.DEADLINE_PASSED): _STOP_DURING_PAYMENT,
        (Status.AWAITING_PAYMENT, Event.USER_DELETED): _STOP_DURING_PAYMENT,
        # Answers that crossed with the cancellation.
        (Status.CANCELLED, Event.STOCK_RESERVED): Step(Status.CANCELLED, (Action.RELEASE_STOCK,)),
        (Status.CANCELLED, Event.PAYMENT_COMPLETED): Step(Status.CANCELLED, (Action.REFUND_PAYMENT,)),
    }
)


def next_step(status: Status, event: Event) -> Step:
    """What the event leads to.

    A pair the table does not name is an answer that is late, repeated or out of
    order: the order stays where it is and nothing is sent, but its history keeps it.
    """
    return COURSE.get((status, event), Step(status))
