"""Two events of one process at the same moment, in two transactions that commit."""

import pytest
from bookings.models import Booking
from bookings.process import OVERDUE, booking
from django.db import connection, transaction

from atoll.bus.models import Outbox
from atoll.errors import AtollError
from atoll.testing.races import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

ROUNDS = 5


def sent() -> list[str]:
    return list(Outbox.objects.order_by("id").values_list("name", flat=True))


@pytest.fixture
def paying():
    row = booking.begin(Booking(guest="Ada"))
    booking.hear(row.pk, "room.reserved")
    return row


@pytest.mark.parametrize("_", range(ROUNDS))
def test_one_answer_in_two_threads_moves_the_process_once(paying, _):
    at_once([lambda: booking.hear(paying.pk, "card.charged")] * 2)

    assert Booking.objects.get(pk=paying.pk).state == "booked"
    assert sent() == ["reserve.room", "charge.card", "booking.confirmed"]
    assert sorted(paying.history.filter(event="card.charged").values_list("is_ignored", flat=True)) == [
        False,
        True,
    ]


@pytest.mark.parametrize("_", range(ROUNDS))
def test_an_answer_and_the_timer_at_once_have_one_winner_and_no_deadlock(paying, atoll_bus, _):
    late = {"process": "booking", "key": str(paying.pk), "timer": OVERDUE, "number": 1}

    at_once(
        [
            lambda: booking.hear(paying.pk, "card.charged"),
            lambda: atoll_bus.deliver("fire.process.timer", late, times=1)[0].status,
        ]
    )

    row = Booking.objects.get(pk=paying.pk)
    if row.state == "booked":
        assert sent() == ["reserve.room", "charge.card", "booking.confirmed"]
        assert row.compensations == {}
    else:
        assert row.state == "cancelled"
        assert sent()[2:] == ["free.room", "refund.card", "booking.cancelled"]
        assert {record["state"] for record in row.compensations.values()} == {"asked"}
    assert not row.has_timer(OVERDUE)


@pytest.mark.parametrize("_", range(ROUNDS))
def test_two_that_begin_one_process_begin_it_once(_):
    row = Booking(guest="Ada")

    begun = at_once([lambda: booking.begin(Booking(pk=row.pk, guest="Ada"))] * 2)

    assert not any(isinstance(one, AtollError) for one in begun)
    assert sent() == ["reserve.room"]
    assert Booking.objects.get(pk=row.pk).history.filter(is_ignored=False).count() == 1


def test_two_first_answers_at_once_begin_the_process_and_are_both_heard():
    row = Booking(guest="Ada")

    def hear(event: str) -> None:
        booking.hear(row.pk, event, begin_with=lambda: Booking(pk=row.pk, guest="Ada"))

    at_once([lambda: hear("room.reserved"), lambda: hear("cancel.requested")])

    stored = Booking.objects.get(pk=row.pk)
    assert stored.state == "cancelled"
    assert sent().count("reserve.room") == 1
    assert sorted(stored.history.values_list("event", flat=True)) == [
        "begun",
        "cancel.requested",
        "room.reserved",
    ]


def test_a_crash_before_the_commit_leaves_nothing_of_the_step_and_the_next_attempt_takes_it(
    paying, atoll_bus
):
    """The server ends the session in the middle of the transaction, as when a worker is killed."""
    with pytest.raises(Exception, match=r"terminat|closed"), transaction.atomic():
        booking.hear(paying.pk, "card.charged")
        _end_own_session()
    connection.close()

    row = Booking.objects.get(pk=paying.pk)
    assert row.state == "paying"
    assert row.has_timer(OVERDUE)
    assert sent() == ["reserve.room", "charge.card"]

    booking.hear(paying.pk, "card.charged")
    assert Booking.objects.get(pk=paying.pk).state == "booked"
    assert sent() == ["reserve.room", "charge.card", "booking.confirmed"]


def _end_own_session() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
