"""`manage.py check` tells the mistakes in a table, in its messages and in its model."""

from dataclasses import replace

import pytest
from bookings.models import Booking
from bookings.process import OVERDUE, TABLE, BookingState, booking
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import models
from django.test.utils import isolate_apps

from atoll.errors import Misuse
from atoll.process import Compensation, ProcessManager, ProcessRow, Table, Timer, Transition, registered
from atoll.process.table_check import problems


@pytest.fixture(autouse=True)
def managers(monkeypatch):
    """Managers that a test declares are gone after it."""
    monkeypatch.setattr(registered, "_managers", dict(registered._managers))


def with_row(state: str, event: str, row: Transition) -> Table:
    return replace(TABLE, transitions={**TABLE.transitions, (state, event): row})


def without(*events: str) -> Table:
    kept = {key: row for key, row in TABLE.transitions.items() if key[1] not in events}
    return replace(TABLE, transitions=kept)


def test_the_example_is_sound():
    assert problems(TABLE) == []
    call_command("check")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (
            replace(TABLE, states=("reserving", "paying", "booked", "cancelled", "lost")),
            "leads to the state 'lost'",
        ),
        (
            with_row("reserving", "odd", Transition("bookd")),
            "leads to 'bookd', which is no state. Did you mean 'booked'",
        ),
        (with_row("payng", "odd", Transition("booked")), "starts in no state. Did you mean 'paying'"),
        (replace(TABLE, final={"booked", "canceled"}), "'canceled' is no state. Did you mean 'cancelled'"),
        (replace(TABLE, final=()), "No state is final"),
        (without("card.charged", "card.declined", "cancel.requested", OVERDUE), "out of the state 'paying'"),
        (
            with_row("cancelled", "odd", Transition("paying")),
            "'cancelled' leads to 'paying', which is not final",
        ),
        (without(OVERDUE), "No transition handles the timer 'booking.overdue'"),
        (replace(TABLE, begins=Transition("reserving", send=("reserve.room",))), "No step starts the timer"),
        (replace(TABLE, timers=()), "which is not in timers"),
        (replace(TABLE, timers=(*TABLE.timers, *TABLE.timers)), "Two timers have the name"),
        (with_row("cancelled", "odd", Transition("cancelled", start=(OVERDUE,))), "a timer in a final state"),
        (
            with_row("paying", "odd", Transition("booked", compensate=("free.rom",))),
            "Did you mean 'free.room'",
        ),
        (
            replace(TABLE, compensations=(*TABLE.compensations, Compensation("x", ("y",)))),
            "needs the compensation 'x'",
        ),
        (
            replace(TABLE, compensations=(Compensation("free.room", ()), TABLE.compensations[1])),
            "No event confirms the compensation 'free.room'",
        ),
        (
            replace(
                TABLE,
                compensations=(
                    Compensation("free.room", ("room.freed", "card.refunded")),
                    TABLE.compensations[1],
                ),
            ),
            "'card.refunded' has two meanings",
        ),
    ],
)
def test_each_mistake_in_a_table_is_told(table, told):
    assert any(told in problem for problem in problems(table)), problems(table)


def test_two_states_that_lead_only_to_each_other_are_told():
    turning = Table(
        states=("a", "b", "end"),
        final=("end",),
        begins=Transition("a"),
        transitions={("a", "go"): Transition("b"), ("b", "go"): Transition("a")},
    )
    assert problems(turning) == [
        "No final state can be reached from the state 'a'.",
        "No final state can be reached from the state 'b'.",
        "No transition leads to the state 'end'.",
    ]


def declare(**changes) -> None:
    facts = {"table": TABLE, "model": Booking, "messages": booking.messages, "local": booking.local} | changes
    ProcessManager("second", **facts)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"table": replace(TABLE, timers=(Timer("late", None),))},
            "'booking.overdue', which is not in timers",
        ),
        ({"messages": {"reserve.rom": None, **booking.messages}}, "No step of the table sends 'reserve.rom'"),
        ({"messages": {"reserve.room": None}}, "no function for 'charge.card'"),
        ({"local": ("cancel.requested",)}, "No handler of this service receives 'card.charged'"),
        ({"local": (*booking.local, "cancel.request")}, "no event 'cancel.request' of `local`. Did you mean"),
        ({"key": "guests"}, "has no field 'guests' for `key`. Did you mean 'guest'"),
        ({"key": "guest"}, "Booking.guest must be unique"),
    ],
)
def test_each_mistake_around_a_table_fails_the_check(changes, told):
    declare(**changes)
    with pytest.raises(SystemCheckError) as refused:
        call_command("check")
    assert "Process second: " in str(refused.value)
    assert told in str(refused.value)


@isolate_apps("bookings")
def test_a_model_without_history_is_told_and_not_a_traceback():
    class Lonely(ProcessRow):
        id = models.UUIDField(primary_key=True)

        class Meta:
            app_label = "bookings"

    declare(model=Lonely)
    with pytest.raises(
        SystemCheckError, match=r"Lonely has no history\. Declare a subclass of ProcessHistory"
    ):
        call_command("check")


def test_two_processes_of_one_name_are_refused():
    with pytest.raises(Misuse, match="both declare the process 'booking'"):
        ProcessManager("booking", table=TABLE, model=Booking, messages=booking.messages)


def test_members_of_choices_and_their_values_are_the_same_names():
    assert TABLE.transitions["paying", OVERDUE] is TABLE.transitions[BookingState.PAYING, OVERDUE]
