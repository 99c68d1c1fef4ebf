from datetime import timedelta

from django.db.models import TextChoices

from atoll.process import Compensation, ProcessManager, Table, Timer, Transition
from bookings.messages import (
    BookingCancelled,
    BookingConfirmed,
    ChargeCard,
    FreeRoom,
    RefundCard,
    ReserveRoom,
)
from bookings.models import Booking

OVERDUE = "booking.overdue"


class BookingState(TextChoices):
    RESERVING = "reserving"
    PAYING = "paying"
    BOOKED = "booked"
    CANCELLED = "cancelled"


_STOP_RESERVING = Transition(BookingState.CANCELLED, compensate=("free.room",), send=("booking.cancelled",))
_STOP_PAYING = Transition(
    BookingState.CANCELLED, compensate=("free.room", "refund.card"), send=("booking.cancelled",)
)

TABLE = Table(
    states=BookingState,
    final={BookingState.BOOKED, BookingState.CANCELLED},
    begins=Transition(BookingState.RESERVING, send=("reserve.room",), start=(OVERDUE,)),
    transitions={
        (BookingState.RESERVING, "room.reserved"): Transition(BookingState.PAYING, send=("charge.card",)),
        (BookingState.RESERVING, "room.refused"): Transition(
            BookingState.CANCELLED, send=("booking.cancelled",)
        ),
        (BookingState.RESERVING, "cancel.requested"): _STOP_RESERVING,
        (BookingState.RESERVING, OVERDUE): _STOP_RESERVING,
        (BookingState.PAYING, "card.charged"): Transition(BookingState.BOOKED, send=("booking.confirmed",)),
        (BookingState.PAYING, "card.declined"): _STOP_RESERVING,
        (BookingState.PAYING, "cancel.requested"): _STOP_PAYING,
        (BookingState.PAYING, OVERDUE): _STOP_PAYING,
    },
    timers=(Timer(OVERDUE, after=timedelta(minutes=10)),),
    compensations=(
        Compensation("free.room", confirmed_by=("room.freed",)),
        Compensation("refund.card", confirmed_by=("card.refunded",), refused_by=("card.refund_failed",)),
    ),
)

# The tests register the handlers, each for one test, so the other suites of the library have none.
HEARD_IN_TESTS = (
    "room.reserved", "room.refused", "room.freed",
    "card.charged", "card.declined", "card.refunded", "card.refund_failed",
)  # fmt: skip

booking = ProcessManager(
    "booking",
    table=TABLE,
    model=Booking,
    messages={
        "reserve.room": lambda row: ReserveRoom(row.pk),
        "free.room": lambda row: FreeRoom(row.pk),
        "charge.card": lambda row: ChargeCard(row.pk),
        "refund.card": lambda row: RefundCard(row.pk),
        "booking.confirmed": lambda row: BookingConfirmed(row.pk),
        "booking.cancelled": lambda row: BookingCancelled(row.pk, row.reason),
    },
    local=("cancel.requested", *HEARD_IN_TESTS),
)
