"""The state machine of an order: which event is allowed in which state, and which effects follow.

    pending --stock.reserved--> awaiting_payment --payment.completed--> confirmed
       |                               |                                   |
       |  stock.rejected               |  payment.failed, payment.refunded |  payment.refunded
       |  cancel, deadline,            |  cancel, deadline, user.deleted   |
       |  user.deleted                 |                                   v
       '-----------> cancelled <-------'                               refunded

A state is a status and the state of each compensation (``compensation.py``). This module
holds all rules and has no side effect; ``usecases/advance.py`` applies them. A cancellation
compensates every command that the order sent before: it always releases the stock, because
the reservation may still be under way, and it refunds the payment if the order asked for
one. An answer that arrives after the cancellation starts the same compensation again.

A confirmed order becomes ``refunded`` when its money goes back without a cancellation. The
customer may still have the goods, so the stock stays sold until staff report their return.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from django.db.models import TextChoices

from services.orders.compensation import COMPENSATION_TRANSITIONS, Compensation, CompensationState, Trigger


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


class Effect(Enum):
    """A command or an event that a step sends, or a timer that it starts or stops."""

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
    """The status of an order and the state of its compensations; None: not needed until now."""

    status: Status
    release: CompensationState | None = None
    refund: CompensationState | None = None
    goods: CompensationState | None = None

    def of(self, compensation: Compensation) -> CompensationState | None:
        match compensation:
            case Compensation.RELEASE:
                return self.release
            case Compensation.REFUND:
                return self.refund
            case Compensation.RETURN:
                return self.goods

    def having(self, compensation: Compensation, reached: CompensationState) -> "State":
        match compensation:
            case Compensation.RELEASE:
                return replace(self, release=reached)
            case Compensation.REFUND:
                return replace(self, refund=reached)
            case Compensation.RETURN:
                return replace(self, goods=reached)


@dataclass(frozen=True)
class Transition:
    """A row of the table: the next status, the compensations that it needs, its other effects."""

    to: Status
    compensate: tuple[Compensation, ...] = ()
    send: tuple[Effect, ...] = ()


@dataclass(frozen=True)
class Step:
    """The state after an event, and the effects of the event in the order of their sending.

    ``compensations`` has the new state of each compensation that the event changed or asked for again.
    """

    state: State
    effects: tuple[Effect, ...] = ()
    compensations: tuple[tuple[Compensation, CompensationState], ...] = ()


OPEN = frozenset({Status.PENDING, Status.AWAITING_PAYMENT})
FINAL = frozenset({Status.CONFIRMED, Status.CANCELLED, Status.REFUNDED})
# The shop does not keep the money of these orders: no sum counts them.
MONEY_BACK = frozenset({Status.CANCELLED, Status.REFUNDED})

PLACED = Step(State(Status.PENDING), (Effect.ANNOUNCE_CREATED, Effect.RESERVE_STOCK, Effect.START_DEADLINE))

_ANNOUNCE = (Effect.ANNOUNCE_CANCELLED,)
_STOP_BEFORE_PAYMENT = Transition(Status.CANCELLED, compensate=(Compensation.RELEASE,), send=_ANNOUNCE)
_STOP_DURING_PAYMENT = Transition(
    Status.CANCELLED, compensate=(Compensation.RELEASE, Compensation.REFUND), send=_ANNOUNCE
)

TRANSITIONS: Mapping[tuple[Status, Event], Transition] = MappingProxyType(
    {
        # Products was asked to reserve the stock.
        (Status.PENDING, Event.STOCK_RESERVED): Transition(
            Status.AWAITING_PAYMENT, send=(Effect.REQUEST_PAYMENT,)
        ),
        (Status.PENDING, Event.STOCK_REJECTED): Transition(Status.CANCELLED, send=_ANNOUNCE),
        (Status.PENDING, Event.CANCEL_REQUESTED): _STOP_BEFORE_PAYMENT,
        (Status.PENDING, Event.DEADLINE_PASSED): _STOP_BEFORE_PAYMENT,
        (Status.PENDING, Event.USER_DELETED): _STOP_BEFORE_PAYMENT,
        # Products holds the stock, and payments was asked to charge.
        (Status.AWAITING_PAYMENT, Event.PAYMENT_COMPLETED): Transition(
            Status.CONFIRMED, send=(Effect.COMMIT_STOCK, Effect.ANNOUNCE_CONFIRMED)
        ),
        (Status.AWAITING_PAYMENT, Event.PAYMENT_FAILED): _STOP_BEFORE_PAYMENT,
        (Status.AWAITING_PAYMENT, Event.CANCEL_REQUESTED): _STOP_DURING_PAYMENT,
        (Status.AWAITING_PAYMENT, Event.DEADLINE_PASSED): _STOP_DURING_PAYMENT,
        (Status.AWAITING_PAYMENT, Event.USER_DELETED): _STOP_DURING_PAYMENT,
        # Staff refunded a payment before its payment.completed arrived: the sale does not happen.
        (Status.AWAITING_PAYMENT, Event.PAYMENT_REFUNDED): _STOP_DURING_PAYMENT,
        # Staff refunded a sale.
        (Status.CONFIRMED, Event.PAYMENT_REFUNDED): Transition(
            Status.REFUNDED, send=(Effect.ANNOUNCE_REFUNDED,)
        ),
        (Status.REFUNDED, Event.GOODS_CAME_BACK): Transition(
            Status.REFUNDED, compensate=(Compensation.RETURN,)
        ),
        # Answers that crossed with the cancellation.
        (Status.CANCELLED, Event.STOCK_RESERVED): Transition(
            Status.CANCELLED, compensate=(Compensation.RELEASE,)
        ),
        (Status.CANCELLED, Event.PAYMENT_COMPLETED): Transition(
            Status.CANCELLED, compensate=(Compensation.REFUND,)
        ),
    }
)

# payment.failed does not confirm a refund: payments announces it for every charge that comes after
# the request for a refund, even while the outcome of an earlier charge is unknown.
TRIGGERS: Mapping[Event, tuple[Compensation, Trigger]] = MappingProxyType(
    {
        Event.STOCK_RELEASED: (Compensation.RELEASE, Trigger.CONFIRMED),
        Event.STOCK_RELEASE_FAILED: (Compensation.RELEASE, Trigger.REFUSED),
        Event.RELEASE_OVERDUE: (Compensation.RELEASE, Trigger.OVERDUE),
        Event.RELEASE_ASKED_AGAIN: (Compensation.RELEASE, Trigger.ASKED_AGAIN),
        Event.RELEASE_SETTLED: (Compensation.RELEASE, Trigger.SETTLED),
        Event.PAYMENT_REFUNDED: (Compensation.REFUND, Trigger.CONFIRMED),
        Event.PAYMENT_VOIDED: (Compensation.REFUND, Trigger.CONFIRMED),
        Event.PAYMENT_REFUND_FAILED: (Compensation.REFUND, Trigger.REFUSED),
        Event.REFUND_OVERDUE: (Compensation.REFUND, Trigger.OVERDUE),
        Event.REFUND_ASKED_AGAIN: (Compensation.REFUND, Trigger.ASKED_AGAIN),
        Event.REFUND_SETTLED: (Compensation.REFUND, Trigger.SETTLED),
        Event.STOCK_RETURNED: (Compensation.RETURN, Trigger.CONFIRMED),
        Event.STOCK_RETURN_FAILED: (Compensation.RETURN, Trigger.REFUSED),
        Event.RETURN_OVERDUE: (Compensation.RETURN, Trigger.OVERDUE),
        Event.RETURN_ASKED_AGAIN: (Compensation.RETURN, Trigger.ASKED_AGAIN),
        Event.RETURN_SETTLED: (Compensation.RETURN, Trigger.SETTLED),
    }
)
EVENTS: Mapping[tuple[Compensation, Trigger], Event] = MappingProxyType(
    {trigger: event for event, trigger in TRIGGERS.items() if event != Event.PAYMENT_VOIDED}
)

# The order's reason when its message or timer gives none.
REASONS: Mapping[Event, str] = MappingProxyType(
    {
        Event.STOCK_REJECTED: "out_of_stock",
        Event.PAYMENT_FAILED: "payment_failed",
        Event.DEADLINE_PASSED: "deadline_passed",
        Event.USER_DELETED: "user_deleted",
    }
)

_ASK = {
    Compensation.RELEASE: (Effect.RELEASE_STOCK, Effect.START_RELEASE_DEADLINE),
    Compensation.REFUND: (Effect.REFUND_PAYMENT, Effect.START_REFUND_DEADLINE),
    Compensation.RETURN: (Effect.RETURN_STOCK, Effect.START_RETURN_DEADLINE),
}
_STOP_WAITING = {
    Compensation.RELEASE: (Effect.STOP_RELEASE_DEADLINE,),
    Compensation.REFUND: (Effect.STOP_REFUND_DEADLINE,),
    Compensation.RETURN: (Effect.STOP_RETURN_DEADLINE,),
}


def next_step(state: State, event: Event) -> Step:
    """The step that the event makes from this state.

    A pair that the tables do not name is an answer or a timer that is late, repeated or out
    of order. Its step keeps the state and has no effects.
    """
    transition = TRANSITIONS.get((state.status, event), Transition(state.status))
    after = replace(state, status=transition.to)
    effects: tuple[Effect, ...] = ()
    changed: tuple[tuple[Compensation, CompensationState], ...] = ()
    for compensation, trigger in _triggers(transition, event):
        before = state.of(compensation)
        reached = COMPENSATION_TRANSITIONS.get((before, trigger))
        if reached is None:
            continue
        after = after.having(compensation, reached)
        changed += ((compensation, reached),)
        if reached is CompensationState.ASKED:
            effects += _ASK[compensation]
        elif before is CompensationState.ASKED:
            effects += _STOP_WAITING[compensation]
    effects += transition.send
    if state.status in OPEN and transition.to in FINAL:
        effects += (Effect.STOP_DEADLINE,)
    return Step(after, effects, changed)


def _triggers(transition: Transition, event: Event) -> list[tuple[Compensation, Trigger]]:
    needed = [(compensation, Trigger.NEEDED) for compensation in transition.compensate]
    return [*needed, TRIGGERS[event]] if event in TRIGGERS else needed
