"""The course of an order: what may happen to it in each state, and what must then be done.

    pending --stock.reserved--> awaiting_payment --payment.completed--> confirmed
       |                               |                                   |
       |  stock.rejected               |  payment.failed, payment.refunded |  payment.refunded
       |  cancel, deadline,            |  cancel, deadline, user.deleted   |
       |  user.deleted                 |                                   v
       '-----------> cancelled <-------'                               refunded

The state is a status and, beside it, how far each compensation has come
(``compensation.py``). This module is the whole rule and touches nothing;
``usecases/advance.py`` carries it out. Cancelling undoes whatever was asked for until
then: the stock is always released, since the reservation may still be under way, and
the payment is refunded once it was asked for. Answers that come after the cancellation
undo themselves in the same way.

A confirmed order whose money went back without a cancellation is ``refunded``. Its goods
may be with the customer, so its stock stays sold until staff say that they came back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from django.db.models import TextChoices

from services.orders.compensation import UNDOING, Compensation, Cue, Undoing


class Status(TextChoices):
    PENDING = "pending", "Pending"
    AWAITING_PAYMENT = "awaiting_payment", "Awaiting payment"
    CONFIRMED = "confirmed", "Confirmed"
    CANCELLED = "cancelled", "Cancelled"
    REFUNDED = "refunded", "Refunded"


class Event(TextChoices):
    PLACED = "order.placed", "Order placed"
    STOCK_RESERVED = "stock.reserved", "Stock reserved"
    STOCK_REJECTED = "stock.rejected", "Stock rejected"
    PAYMENT_COMPLETED = "payment.completed", "Payment completed"
    PAYMENT_FAILED = "payment.failed", "Payment failed"
    CANCEL_REQUESTED = "cancel.requested", "Cancellation requested"
    DEADLINE_PASSED = "deadline.passed", "Deadline passed"
    USER_DELETED = "user.deleted", "Account deleted"
    STOCK_RELEASED = "stock.released", "Stock released"
    STOCK_RELEASE_FAILED = "stock.release_failed", "Stock could not be released"
    RELEASE_OVERDUE = "release.overdue", "No answer to the release"
    RELEASE_ASKED_AGAIN = "release.asked_again", "Release asked for again"
    RELEASE_SETTLED = "release.settled", "Release settled by hand"
    PAYMENT_REFUNDED = "payment.refunded", "Payment refunded"
    PAYMENT_VOIDED = "payment.voided", "Payment voided"
    PAYMENT_REFUND_FAILED = "payment.refund_failed", "Payment could not be refunded"
    REFUND_OVERDUE = "refund.overdue", "No answer to the refund"
    REFUND_ASKED_AGAIN = "refund.asked_again", "Refund asked for again"
    REFUND_SETTLED = "refund.settled", "Refund settled by hand"
    GOODS_CAME_BACK = "goods.came_back", "Goods came back"
    STOCK_RETURNED = "stock.returned", "Goods returned to the stock"
    STOCK_RETURN_FAILED = "stock.return_failed", "Goods could not be returned to the stock"
    RETURN_OVERDUE = "return.overdue", "No answer to the return"
    RETURN_ASKED_AGAIN = "return.asked_again", "Return asked for again"
    RETURN_SETTLED = "return.settled", "Return settled by hand"


class Action(Enum):
    """What goes out with a step: commands, events, and timers that are set or called off."""

    RESERVE_STOCK = "reserve.stock"
    REQUEST_PAYMENT = "process.payment"
    COMMIT_STOCK = "commit.stock"
    RELEASE_STOCK = "release.stock"
    REFUND_PAYMENT = "refund.payment"
    RETURN_STOCK = "return.stock"
    ANNOUNCE_CREATED = "order.created"
    ANNOUNCE_CONFIRMED = "order.confirmed"
    ANNOUNCE_CANCELLED = "order.cancelled"
    ANNOUNCE_REFUNDED = "order.refunded"
    START_DEADLINE = "start the deadline of the order"
    STOP_DEADLINE = "stop the deadline of the order"
    START_RELEASE_DEADLINE = "start the deadline of the release"
    STOP_RELEASE_DEADLINE = "stop the deadline of the release"
    START_REFUND_DEADLINE = "start the deadline of the refund"
    STOP_REFUND_DEADLINE = "stop the deadline of the refund"
    START_RETURN_DEADLINE = "start the deadline of the return"
    STOP_RETURN_DEADLINE = "stop the deadline of the return"


@dataclass(frozen=True)
class State:
    """Where an order stands. A compensation is None as long as there is nothing to undo by it."""

    status: Status
    release: Undoing | None = None
    refund: Undoing | None = None
    goods: Undoing | None = None

    def of(self, compensation: Compensation) -> Undoing | None:
        match compensation:
            case Compensation.RELEASE:
                return self.release
            case Compensation.REFUND:
                return self.refund
            case Compensation.RETURN:
                return self.goods

    def having(self, compensation: Compensation, undoing: Undoing) -> "State":
        match compensation:
            case Compensation.RELEASE:
                return replace(self, release=undoing)
            case Compensation.REFUND:
                return replace(self, refund=undoing)
            case Compensation.RETURN:
                return replace(self, goods=undoing)


@dataclass(frozen=True)
class Move:
    """A row of the table: the next status, what must be undone, what is sent beside that."""

    to: Status
    undo: tuple[Compensation, ...] = ()
    send: tuple[Action, ...] = ()


@dataclass(frozen=True)
class Step:
    """Where an event leads, and what goes out with it, in this order.

    ``undoing`` names the compensations that it moved or asked for anew, and how far they are now.
    """

    state: State
    actions: tuple[Action, ...] = ()
    undoing: tuple[tuple[Compensation, Undoing], ...] = ()


OPEN = frozenset({Status.PENDING, Status.AWAITING_PAYMENT})
FINAL = frozenset({Status.CONFIRMED, Status.CANCELLED, Status.REFUNDED})
# What was taken for these is not kept: they count in no sum of money.
MONEY_BACK = frozenset({Status.CANCELLED, Status.REFUNDED})

PLACED = Step(State(Status.PENDING), (Action.ANNOUNCE_CREATED, Action.RESERVE_STOCK, Action.START_DEADLINE))

_TELL = (Action.ANNOUNCE_CANCELLED,)
_STOP_BEFORE_PAYMENT = Move(Status.CANCELLED, undo=(Compensation.RELEASE,), send=_TELL)
_STOP_DURING_PAYMENT = Move(Status.CANCELLED, undo=(Compensation.RELEASE, Compensation.REFUND), send=_TELL)

COURSE: Mapping[tuple[Status, Event], Move] = MappingProxyType(
    {
        # The shop was asked for stock.
        (Status.PENDING, Event.STOCK_RESERVED): Move(Status.AWAITING_PAYMENT, send=(Action.REQUEST_PAYMENT,)),
        (Status.PENDING, Event.STOCK_REJECTED): Move(Status.CANCELLED, send=_TELL),
        (Status.PENDING, Event.CANCEL_REQUESTED): _STOP_BEFORE_PAYMENT,
        (Status.PENDING, Event.DEADLINE_PASSED): _STOP_BEFORE_PAYMENT,
        (Status.PENDING, Event.USER_DELETED): _STOP_BEFORE_PAYMENT,
        # The stock is held and the payment was asked for.
        (Status.AWAITING_PAYMENT, Event.PAYMENT_COMPLETED): Move(
            Status.CONFIRMED, send=(Action.COMMIT_STOCK, Action.ANNOUNCE_CONFIRMED)
        ),
        (Status.AWAITING_PAYMENT, Event.PAYMENT_FAILED): _STOP_BEFORE_PAYMENT,
        (Status.AWAITING_PAYMENT, Event.CANCEL_REQUESTED): _STOP_DURING_PAYMENT,
        (Status.AWAITING_PAYMENT, Event.DEADLINE_PASSED): _STOP_DURING_PAYMENT,
        (Status.AWAITING_PAYMENT, Event.USER_DELETED): _STOP_DURING_PAYMENT,
        # Staff gave the money back before we heard that it was taken: nothing is sold for it.
        (Status.AWAITING_PAYMENT, Event.PAYMENT_REFUNDED): _STOP_DURING_PAYMENT,
        # Staff gave the money of a sale back.
        (Status.CONFIRMED, Event.PAYMENT_REFUNDED): Move(Status.REFUNDED, send=(Action.ANNOUNCE_REFUNDED,)),
        (Status.REFUNDED, Event.GOODS_CAME_BACK): Move(Status.REFUNDED, undo=(Compensation.RETURN,)),
        # Answers that crossed with the cancellation.
        (Status.CANCELLED, Event.STOCK_RESERVED): Move(Status.CANCELLED, undo=(Compensation.RELEASE,)),
        (Status.CANCELLED, Event.PAYMENT_COMPLETED): Move(Status.CANCELLED, undo=(Compensation.REFUND,)),
    }
)

# Payment.failed is no confirmation of a refund: payments says it of every charge that comes
# after the refund was asked for, also while the outcome of an earlier charge is unknown.
CUES: Mapping[Event, tuple[Compensation, Cue]] = MappingProxyType(
    {
        Event.STOCK_RELEASED: (Compensation.RELEASE, Cue.CONFIRMED),
        Event.STOCK_RELEASE_FAILED: (Compensation.RELEASE, Cue.REFUSED),
        Event.RELEASE_OVERDUE: (Compensation.RELEASE, Cue.OVERDUE),
        Event.RELEASE_ASKED_AGAIN: (Compensation.RELEASE, Cue.ASKED_AGAIN),
        Event.RELEASE_SETTLED: (Compensation.RELEASE, Cue.SETTLED),
        Event.PAYMENT_REFUNDED: (Compensation.REFUND, Cue.CONFIRMED),
        Event.PAYMENT_VOIDED: (Compensation.REFUND, Cue.CONFIRMED),
        Event.PAYMENT_REFUND_FAILED: (Compensation.REFUND, Cue.REFUSED),
        Event.REFUND_OVERDUE: (Compensation.REFUND, Cue.OVERDUE),
        Event.REFUND_ASKED_AGAIN: (Compensation.REFUND, Cue.ASKED_AGAIN),
        Event.REFUND_SETTLED: (Compensation.REFUND, Cue.SETTLED),
        Event.STOCK_RETURNED: (Compensation.RETURN, Cue.CONFIRMED),
        Event.STOCK_RETURN_FAILED: (Compensation.RETURN, Cue.REFUSED),
        Event.RETURN_OVERDUE: (Compensation.RETURN, Cue.OVERDUE),
        Event.RETURN_ASKED_AGAIN: (Compensation.RETURN, Cue.ASKED_AGAIN),
        Event.RETURN_SETTLED: (Compensation.RETURN, Cue.SETTLED),
    }
)
EVENTS: Mapping[tuple[Compensation, Cue], Event] = MappingProxyType(
    {cue: event for event, cue in CUES.items() if event != Event.PAYMENT_VOIDED}
)

_ASK = {
    Compensation.RELEASE: (Action.RELEASE_STOCK, Action.START_RELEASE_DEADLINE),
    Compensation.REFUND: (Action.REFUND_PAYMENT, Action.START_REFUND_DEADLINE),
    Compensation.RETURN: (Action.RETURN_STOCK, Action.START_RETURN_DEADLINE),
}
_STOP_WAITING = {
    Compensation.RELEASE: (Action.STOP_RELEASE_DEADLINE,),
    Compensation.REFUND: (Action.STOP_REFUND_DEADLINE,),
    Compensation.RETURN: (Action.STOP_RETURN_DEADLINE,),
}


def next_step(state: State, event: Event) -> Step:
    """What the event leads to.

    A pair the tables do not name is an answer or a timer that is late, repeated or out
    of order: the order stays where it is and nothing is sent, but its history keeps it.
    """
    move = COURSE.get((state.status, event), Move(state.status))
    cues = [(compensation, Cue.NEEDED) for compensation in move.undo]
    if event in CUES:
        cues.append(CUES[event])
    after = replace(state, status=move.to)
    actions: tuple[Action, ...] = ()
    moved: tuple[tuple[Compensation, Undoing], ...] = ()
    for compensation, cue in cues:
        before = state.of(compensation)
        undoing = UNDOING.get((before, cue))
        if undoing is None:
            continue
        after = after.having(compensation, undoing)
        moved += ((compensation, undoing),)
        if undoing is Undoing.ASKED:
            actions += _ASK[compensation]
        elif before is Undoing.ASKED:
            actions += _STOP_WAITING[compensation]
    actions += move.send
    if state.status in OPEN and move.to in FINAL:
        actions += (Action.STOP_DEADLINE,)
    return Step(after, actions, moved)
