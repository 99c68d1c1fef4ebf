"""The proof over all interleavings: the example process passes, and each planted mistake is found."""

from dataclasses import replace

import pytest
from bookings.neighbour_rules import (
    BANK,
    HOTEL,
    booked_is_paid,
    cancelled_keeps_no_money_unseen,
    cancelled_keeps_no_room_unseen,
    hotel,
)
from bookings.process import OVERDUE, TABLE, BookingState

from atoll.errors import Misuse
from atoll.process import Compensation, State, Table, Transition, next_step
from atoll.testing.interleavings import CounterExample, Interleavings, Neighbour, interleavings

CANCEL = ("cancel.requested",)


def proof_of(table: Table, *neighbours: Neighbour) -> Interleavings:
    return interleavings(table, neighbours or (HOTEL, BANK), at_any_time=CANCEL)


def with_row(state: str, event: str, row: Transition) -> Table:
    return replace(TABLE, transitions={**TABLE.transitions, (state, event): row})


def test_the_example_process_keeps_every_rule_in_every_order():
    proof = proof_of(TABLE)

    assert len(proof.worlds) > 500
    proof.reaches_every_state()
    proof.always("a booked room is held and paid", booked_is_paid)
    proof.always("a cancelled booking keeps no money unseen", cancelled_keeps_no_money_unseen)
    proof.always("a cancelled booking keeps no room unseen", cancelled_keeps_no_room_unseen)
    proof.always_ends()


def test_a_cancellation_that_forgets_the_refund_is_found_by_the_shortest_way():
    forgetful = with_row(
        "paying", "cancel.requested", Transition("cancelled", ("free.room",), ("booking.cancelled",))
    )

    with pytest.raises(CounterExample) as found:
        proof_of(forgetful).always(
            "a cancelled booking keeps no money unseen", cancelled_keeps_no_money_unseen
        )

    assert found.value.trace == [
        "hotel receives reserve.room, is held and announces room.reserved",
        "the process hears room.reserved: paying, sends charge.card",
        "bank receives charge.card, is taken and announces card.charged",
        "the process hears cancel.requested: cancelled (free.room asked), sends booking.cancelled, free.room",
    ]
    assert str(found.value).startswith("Not so: a cancelled booking keeps no money unseen\nThe shortest way")
    assert "  3. bank receives charge.card" in str(found.value)
    assert "Then: the process is cancelled (free.room asked); hotel held, bank taken" in str(found.value)


def test_a_refusal_that_is_taken_for_a_confirmation_is_found():
    trusting = replace(
        TABLE,
        compensations=(
            TABLE.compensation("free.room"),
            Compensation("refund.card", confirmed_by=("card.refunded", "card.refund_failed")),
        ),
    )

    with pytest.raises(CounterExample) as found:
        proof_of(trusting).always(
            "a cancelled booking keeps no money unseen", cancelled_keeps_no_money_unseen
        )

    assert len(found.value.trace) == 6
    assert found.value.trace[-1].startswith("the process hears card.refund_failed")


def test_a_state_that_no_timer_ends_is_found():
    waiting = {key: row for key, row in TABLE.transitions.items() if key != (BookingState.PAYING, OVERDUE)}

    with pytest.raises(CounterExample) as found:
        proof_of(replace(TABLE, transitions=waiting)).always_ends()

    assert found.value.trace == [
        "hotel receives reserve.room, is held and announces room.reserved",
        "the process hears room.reserved: paying, sends charge.card",
    ]


def test_a_step_into_the_wrong_state_is_found():
    generous = with_row("paying", "card.declined", Transition("booked", send=("booking.confirmed",)))

    with pytest.raises(CounterExample) as found:
        proof_of(generous).always("a booked room is held and paid", booked_is_paid)

    assert len(found.value.trace) == 4
    assert found.value.trace[-2:] == [
        "bank receives charge.card, is declined and announces card.declined",
        "the process hears card.declined: booked, sends booking.confirmed",
    ]


def test_a_neighbour_that_forgets_a_release_before_its_reservation_is_found():
    def forgetful(room: str, command: str):
        unknown = command == "free.room" and room == "unknown"
        return [("unknown", "room.freed")] if unknown else hotel(room, command)

    with pytest.raises(CounterExample) as found:
        proof_of(TABLE, replace(HOTEL, answers=forgetful), BANK).always(
            "a cancelled booking keeps no room unseen", cancelled_keeps_no_room_unseen
        )

    assert len(found.value.trace) == 4
    assert set(found.value.trace[-2:]) == {
        "hotel receives reserve.room, is held and announces room.reserved",
        "the process hears room.freed: cancelled (free.room done)",
    }


def test_a_state_that_only_the_table_reaches_is_named():
    def full(room: str, command: str):
        return [("refused", "room.refused" if command == "reserve.room" else "room.freed")]

    with pytest.raises(AssertionError, match="No order of messages leads to booked, paying"):
        proof_of(TABLE, replace(HOTEL, answers=full), BANK).reaches_every_state()


@pytest.mark.parametrize(
    ("neighbours", "at_any_time", "told"),
    [
        (
            (replace(HOTEL, commands=("reserve.rom", "free.room")), BANK),
            CANCEL,
            "Did you mean 'reserve.room'",
        ),
        ((HOTEL,), CANCEL, "No neighbour takes the compensation 'refund.card'"),
        ((HOTEL, BANK), ("cancel.request",), "Did you mean 'cancel.requested'"),
    ],
)
def test_names_that_table_and_rules_do_not_share_are_refused(neighbours, at_any_time, told):
    with pytest.raises(Misuse, match=told):
        interleavings(TABLE, neighbours, at_any_time=at_any_time)


def test_too_many_worlds_are_an_error_and_no_endless_run():
    with pytest.raises(AssertionError, match="more than 100 worlds"):
        interleavings(TABLE, (HOTEL, BANK), at_any_time=CANCEL, max_worlds=100)


def test_an_event_that_makes_a_compensation_necessary_does_not_confirm_it_as_well():
    crossing = with_row("paying", "card.refunded", Transition("cancelled", ("free.room", "refund.card")))

    step = next_step(crossing, State("paying"), "card.refunded")

    assert step.state.of("refund.card") == "asked"
    assert step.start == ("free.room.overdue", "refund.card.overdue")
    assert step.stop == (OVERDUE,)
