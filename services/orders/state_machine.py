"""The state machine of an order: which event is allowed in which state, and which effects follow.

    pending --stock.reserved--> awaiting_payment --payment.completed--> confirmed
       |                               |                                   |
       |  stock.rejected               |  payment.failed, payment.refunded |  payment.refunded
       |  cancel, deadline,            |  cancel, deadline, user.deleted   |
       |  user.deleted                 |                                   v
       '-----------> cancelled <-------'                               refunded

A state is a status and the state of each compensation (``compensation.py``). This module
holds all rules, as a table of ``atoll.process``, and has no side effect;
``usecases/advance.py`` applies them. A cancellation compensates every command that the order
sent before: it always releases the stock, because the reservation may still be under way, and
it refunds the payment if the order asked for one. An answer that arrives after the cancellation
starts the same compensation again.

A confirmed order becomes ``refunded`` when its money goes back without a cancellation. The
customer may still have the goods, so the stock stays sold until staff report their return.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from django.db.models import TextChoices

from atoll import process
from atoll.process import Table, Timer, Transition
from services.orders.compensation import Compensation, CompensationState, Trigger
from services.orders.deadlines import time_allowed, time_to_compensate


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


class Effect(StrEnum):
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

_ANNOUNCE = (Effect.ANNOUNCE_CANCELLED,)
_STOP_BEFORE_PAYMENT = Transition(Status.CANCELLED, compensate=(Compensation.RELEASE,), send=_ANNOUNCE)
_STOP_DURING_PAYMENT = Transition(
    Status.CANCELLED, compensate=(Compensation.RELEASE, Compensation.REFUND), send=_ANNOUNCE
)

TABLE = Table(
    states=Status,
    final=FINAL,
    begins=Transition(
        Status.PENDING,
        send=(Effect.ANNOUNCE_CREATED, Effect.RESERVE_STOCK),
        start=(Event.DEADLINE_PASSED,),
    ),
    transitions={
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
    },
    timers=(Timer(Event.DEADLINE_PASSED, after=time_allowed),),
    # payment.failed does not confirm a refund: payments announces it for every charge that comes after
    # the request for a refund, even while the outcome of an earlier charge is unknown.
    compensations=(
        process.Compensation(
            Compensation.RELEASE,
            confirmed_by=(Event.STOCK_RELEASED,),
            refused_by=(Event.STOCK_RELEASE_FAILED,),
            deadline=time_to_compensate,
            short_name="release",
        ),
        process.Compensation(
            Compensation.REFUND,
            confirmed_by=(Event.PAYMENT_REFUNDED, Event.PAYMENT_VOIDED),
            refused_by=(Event.PAYMENT_REFUND_FAILED,),
            deadline=time_to_compensate,
            short_name="refund",
        ),
        process.Compensation(
            Compensation.RETURN,
            confirmed_by=(Event.STOCK_RETURNED,),
            refused_by=(Event.STOCK_RETURN_FAILED,),
            deadline=time_to_compensate,
            short_name="return",
        ),
    ),
)

EVENTS: Mapping[tuple[Compensation, Trigger], Event] = MappingProxyType(
    {
        (Compensation(compensation.command), trigger): Event(event)
        for event, (compensation, trigger) in TABLE.triggers.items()
        if event != Event.PAYMENT_VOIDED
    }
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

_START: Mapping[str, Effect] = {
    Event.DEADLINE_PASSED: Effect.START_DEADLINE,
    Event.RELEASE_OVERDUE: Effect.START_RELEASE_DEADLINE,
    Event.REFUND_OVERDUE: Effect.START_REFUND_DEADLINE,
    Event.RETURN_OVERDUE: Effect.START_RETURN_DEADLINE,
}
_STOP: Mapping[str, Effect] = {
    Event.DEADLINE_PASSED: Effect.STOP_DEADLINE,
    Event.RELEASE_OVERDUE: Effect.STOP_RELEASE_DEADLINE,
    Event.REFUND_OVERDUE: Effect.STOP_REFUND_DEADLINE,
    Event.RETURN_OVERDUE: Effect.STOP_RETURN_DEADLINE,
}


def next_step(state: State, event: Event) -> Step:
    """The step that the event makes from this state.

    A pair that the table does not name is an answer or a timer that is late, repeated or out
    of order. Its step keeps the state and has no effects.
    """
    return _step_of_order(process.next_step(TABLE, _state_of_process(state), event))


def _state_of_process(state: State) -> process.State:
    reached = {kind.value: far for kind in Compensation if (far := state.of(kind)) is not None}
    return process.State(state.status.value, frozenset(reached.items()))


def _step_of_order(step: process.Step) -> Step:
    state = State(Status(step.state.name))
    for kind, reached in step.state.compensations:
        state = state.having(Compensation(kind), reached)
    return Step(
        state,
        (
            *(Effect(name) for name in step.send),
            *(_START[timer] for timer in step.start),
            *(_STOP[timer] for timer in step.stop),
        ),
        tuple((Compensation(kind), reached) for kind, reached in step.compensations),
    )


PLACED = _step_of_order(process.first_step(TABLE))
