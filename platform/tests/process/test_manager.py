"""A process on real PostgreSQL: steps, duplicates, late timers, compensations, and people."""

from datetime import timedelta
from uuid import uuid4

import pytest
from bookings.models import Booking, BookingHistory
from bookings.process import OVERDUE, booking
from django.db import transaction

from atoll.bus.models import Delivery, Outbox
from atoll.errors import Conflict, InvalidInput, Misuse, NotFound
from atoll.testing.statements import own_statements

pytestmark = pytest.mark.django_db


def history(row: Booking) -> list[tuple[str, str, str, str]]:
    return [(one.event, one.to_state, one.undoing, one.actor) for one in row.history.filter(is_ignored=False)]


def fresh(row: Booking) -> Booking:
    return Booking.objects.get(pk=row.pk)


@pytest.fixture
def paying(begun, tell):
    tell("room.reserved", begun.pk)
    return fresh(begun)


@pytest.fixture
def cancelled(paying):
    """Cancelled while the card was being charged."""
    booking.hear(paying.pk, "cancel.requested", actor="user:ada", reason="changed my mind")
    return fresh(paying)


def test_a_process_goes_its_way_and_each_command_is_sent_once(atoll_bus, begun, tell):
    for event in ("room.reserved", "card.charged"):
        tell(event, begun.pk)

    row = fresh(begun)
    assert row.state == "booked"
    assert row.ended_at is not None
    assert [sent["command"] for sent in atoll_bus.sent()] == ["reserve.room", "charge.card"]
    assert [event["eventType"] for event in atoll_bus.published()] == ["booking.confirmed"]
    assert history(row) == [
        ("begun", "reserving", "", "user:ada"),
        ("room.reserved", "paying", "", "test-service"),
        ("card.charged", "booked", "", "test-service"),
    ]


def test_a_repeated_late_or_early_answer_changes_nothing_and_is_recorded(atoll_bus, begun, tell):
    tell("card.charged", begun.pk, times=1)
    tell("room.reserved", begun.pk, times=3)

    ignored = begun.history.filter(is_ignored=True)
    assert [(one.event, one.from_state, one.to_state) for one in ignored] == [
        ("card.charged", "reserving", "reserving"),
        ("room.reserved", "paying", "paying"),
        ("room.reserved", "paying", "paying"),
    ]
    assert len(atoll_bus.sent("charge.card")) == 1


def test_messages_of_a_process_have_its_key(begun):
    assert set(Outbox.objects.values_list("key", flat=True)) == {str(begun.pk)}


def test_a_beginning_that_is_repeated_leaves_the_first(atoll_bus, begun):
    again = booking.begin(Booking(pk=begun.pk, guest="Bob"))

    assert again.guest == "Ada"
    assert len(atoll_bus.sent("reserve.room")) == 1
    assert begun.history.get(is_ignored=True).event == "begun"


def test_without_answers_its_timer_ends_it(atoll_bus, paying):
    atoll_bus.advance(timedelta(minutes=11))

    row = fresh(paying)
    assert row.state == "cancelled"
    assert {command: one["state"] for command, one in row.compensations.items()} == {
        "free.room": "asked",
        "refund.card": "asked",
    }
    assert row.timer_end(OVERDUE) is None
    assert len(atoll_bus.sent("free.room")) == len(atoll_bus.sent("refund.card")) == 1


def test_an_end_calls_the_timers_off(atoll_bus, paying, tell):
    tell("card.charged", paying.pk)

    assert atoll_bus.advance(timedelta(days=1)) == 0
    assert Delivery.objects.get(token__endswith=OVERDUE).status == "cancelled"
    assert fresh(paying).state == "booked"


def test_a_timer_that_fires_after_it_was_called_off_is_recorded_and_has_no_effect(atoll_bus, paying, tell):
    tell("card.charged", paying.pk)
    late = {"process": "booking", "key": str(paying.pk), "timer": OVERDUE, "number": 1}

    atoll_bus.deliver("fire.process.timer", late)

    assert fresh(paying).state == "booked"
    recorded = paying.history.filter(event=OVERDUE)
    assert [(one.reason, one.is_ignored) for one in recorded] == [("late timer", True)] * 2


def test_the_deadline_of_an_earlier_ask_is_late(atoll_bus, cancelled, tell):
    atoll_bus.advance(timedelta(minutes=16))
    booking.ask_again(cancelled.pk, actor="staff:stan")
    of_the_first_ask = {
        "process": "booking",
        "key": str(cancelled.pk),
        "timer": "free.room.overdue",
        "number": 1,
    }

    atoll_bus.deliver("fire.process.timer", of_the_first_ask)

    assert fresh(cancelled).compensations["free.room"]["state"] == "asked"
    assert fresh(cancelled).compensations["free.room"]["asks"] == 2


def test_a_compensation_is_followed_until_it_is_confirmed(atoll_bus, cancelled, tell):
    tell("room.freed", cancelled.pk)
    tell("card.refunded", cancelled.pk)

    row = fresh(cancelled)
    assert (row.reason, row.needs_attention) == ("changed my mind", False)
    for command, event in (("free.room", "room.freed"), ("refund.card", "card.refunded")):
        record = row.compensations[command]
        assert (record["state"], record["ended_by"], record["asks"]) == ("done", event, 1)
    assert atoll_bus.advance(timedelta(days=1)) == 0


def test_a_refused_or_silent_compensation_calls_a_person_who_asks_again(atoll_bus, cancelled, tell):
    tell("card.refund_failed", cancelled.pk)
    assert fresh(cancelled).needs_attention
    atoll_bus.advance(timedelta(minutes=16))

    assert booking.ask_again(cancelled.pk, actor="staff:stan") == ["free.room", "refund.card"]
    row = fresh(cancelled)
    assert not row.needs_attention
    assert len(atoll_bus.sent("free.room")) == len(atoll_bus.sent("refund.card")) == 2
    with pytest.raises(Conflict):
        booking.ask_again(cancelled.pk, actor="staff:stan")


def test_a_late_confirmation_heals_what_failed(atoll_bus, cancelled, tell):
    tell("card.refund_failed", cancelled.pk)
    tell("card.refunded", cancelled.pk)

    assert not fresh(cancelled).needs_attention
    assert fresh(cancelled).compensations["refund.card"]["state"] == "done"


def test_a_person_settles_what_failed_with_a_reason(cancelled, tell):
    with pytest.raises(Conflict, match="has not failed"):
        booking.settle_by_hand(cancelled.pk, "refund.card", actor="staff:stan", reason="bank transfer")
    tell("card.refund_failed", cancelled.pk)
    with pytest.raises(InvalidInput):
        booking.settle_by_hand(cancelled.pk, "refund.card", actor="staff:stan", reason=" ")

    booking.settle_by_hand(cancelled.pk, "refund.card", actor="staff:stan", reason="bank transfer")

    record = fresh(cancelled).compensations["refund.card"]
    assert (record["state"], record["reason"]) == ("settled", "bank transfer")
    assert history(cancelled)[-1] == ("refund.card.settled", "cancelled", "refund.card settled", "staff:stan")


def test_an_answer_about_an_unknown_process_is_ignored_and_a_person_is_told(atoll_bus, handlers):
    (delivery,) = atoll_bus.deliver("room.reserved", {"bookingId": str(uuid4())}, times=1)
    assert delivery.status == "ignored"
    with pytest.raises(NotFound) as refused:
        booking.hear(uuid4(), "cancel.requested")
    assert refused.value.code == "process_not_found"
    with pytest.raises(NotFound):
        booking.hear("no id", "cancel.requested")


def test_an_event_that_the_table_does_not_have_is_a_mistake(begun):
    for event in ("room.resrved", OVERDUE, "free.room.settled"):
        with pytest.raises(Misuse, match=f"has no event '{event}'"):
            booking.hear(begun.pk, event)


def test_a_timer_of_a_process_that_is_gone_becomes_a_dead_letter(atoll_bus, handlers):
    gone = {"process": "bookings", "key": "1", "timer": OVERDUE, "number": 1}
    (delivery,) = atoll_bus.deliver("fire.process.timer", gone, times=1)
    assert delivery.status == "dead"
    assert "no process 'bookings'" in delivery.error
    assert atoll_bus.failed(handler="atoll.process.timer") == [delivery]


def test_whatever_fails_takes_the_whole_step_with_it(atoll_bus, paying, monkeypatch):
    def broken(row):
        raise RuntimeError("no message")

    monkeypatch.setitem(booking.messages, "refund.card", broken)
    sent = len(atoll_bus.sent())

    with pytest.raises(RuntimeError), transaction.atomic():
        booking.hear(paying.pk, "cancel.requested")

    row = fresh(paying)
    assert (row.state, row.compensations) == ("paying", {})
    assert row.has_timer(OVERDUE)
    assert len(atoll_bus.sent()) == sent
    assert not row.history.filter(event="cancel.requested").exists()


def test_a_step_is_three_statements_beside_its_messages_and_timers(paying):
    with own_statements() as statements:
        booking.hear(paying.pk, "card.charged")
    assert [sql.split()[0] for sql in statements] == ["SELECT", "UPDATE", "INSERT"]


def test_a_message_of_another_name_is_refused(begun, monkeypatch):
    monkeypatch.setitem(booking.messages, "charge.card", booking.messages["free.room"])
    with pytest.raises(Misuse, match="returned FreeRoom"), transaction.atomic():
        booking.hear(begun.pk, "room.reserved")
    assert BookingHistory.objects.filter(process=begun).count() == 1
