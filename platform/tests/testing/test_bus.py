"""The ``bus`` fixture: settling, virtual time and repetition."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.db import connection, transaction
from testproject.models import Note

from atoll.bus import (
    Dead,
    Message,
    Retry,
    cancel_scheduled,
    handles,
    on,
    publish,
    schedule,
    send,
)
from atoll.bus.models import Delivery, Inbox, Outbox
from atoll.testing.bus import Bus

from .accounts import Greeted, Opened, greeting_service, notes, open_account

pytestmark = pytest.mark.django_db


@dataclass
class Remind:
    command: ClassVar[str] = "remind.account"
    number: int


@dataclass
class Pay:
    command: ClassVar[str] = "process.payment"
    to: ClassVar[str] = "payment-service"


@dataclass
class Fax:
    command: ClassVar[str] = "send.fax"
    to: ClassVar[str] = "fax-service"
    outside: ClassVar[bool] = True


def test_settle_carries_a_chain_of_messages_to_its_end(atoll_bus: Bus) -> None:
    greeting_service()
    open_account(1)
    assert notes() == []
    assert atoll_bus.settle() == 4
    assert notes() == ["opened 1", "greeted 1"]
    assert [row.message.name for row in atoll_bus.handled()] == ["account.opened", "greet.account"]
    assert [event["data"]["number"] for event in atoll_bus.published("account.greeted")] == [1]
    assert set(Outbox.objects.values_list("status", flat=True)) == {"published"}
    assert atoll_bus.settle() == 0


def test_every_message_comes_twice_and_every_handler_runs_twice(atoll_bus: Bus) -> None:
    runs: list[str] = []

    @on("account.opened")
    def note(event: Opened, message: Message) -> None:
        runs.append(message.id)

    open_account(1)
    atoll_bus.settle()
    assert len(runs) == len(set(runs)) == 2
    assert len(atoll_bus.handled("account.opened")) == 1
    atoll_bus.repeats = False
    open_account(2)
    atoll_bus.settle()
    assert len(runs) == 3
    assert Inbox.objects.count() == 3


def test_a_retry_fires_at_its_time_and_not_before(atoll_bus: Bus) -> None:
    attempts: list[datetime] = []

    @on("account.opened", retry=Retry(immediate=1, delayed_s=(5, 30)))
    def fail_thrice(event: Opened, message: Message) -> None:
        attempts.append(atoll_bus.now())
        if message.attempt < 4:
            raise ValueError("not yet")

    atoll_bus.repeats = False
    open_account(1)
    atoll_bus.settle()
    assert len(attempts) == 2
    atoll_bus.advance(timedelta(seconds=4))
    assert len(attempts) == 2
    atoll_bus.advance(timedelta(seconds=40))
    assert len(attempts) == 4
    assert attempts[3] - attempts[2] == timedelta(seconds=30)
    assert [row.attempts for row in atoll_bus.handled()] == [4]


def test_timers_fire_in_order_each_at_its_due_time_however_far_time_goes(atoll_bus: Bus) -> None:
    fired: list[tuple[int, datetime]] = []

    @handles("remind.account")
    def remind(command: Remind, message: Message) -> None:
        fired.append((command.number, atoll_bus.now()))
        if command.number == 1:
            schedule(Remind(3), after=timedelta(days=1))

    atoll_bus.repeats = False
    atoll_bus.clock.set(datetime(2030, 1, 1, tzinfo=UTC))
    with transaction.atomic():
        schedule(Remind(2), after=timedelta(days=7))
        schedule(Remind(1), after=timedelta(hours=1))
        schedule(Remind(9), after=timedelta(hours=2), token="t")
        cancel_scheduled("t")
    assert atoll_bus.settle() == 0
    assert atoll_bus.settle(until=datetime(2030, 2, 1, tzinfo=UTC)) == 3
    assert fired == [
        (1, datetime(2030, 1, 1, 1, tzinfo=UTC)),
        (3, datetime(2030, 1, 2, 1, tzinfo=UTC)),
        (2, datetime(2030, 1, 8, tzinfo=UTC)),
    ]
    assert atoll_bus.now() == datetime(2030, 2, 1, tzinfo=UTC)


def test_waiting_for_something_takes_as_much_virtual_time_as_it_needs(atoll_bus: Bus) -> None:
    @handles("remind.account")
    def remind(command: Remind, message: Message) -> None:
        publish(Greeted(command.number))

    atoll_bus.repeats = False
    began = atoll_bus.now()
    with transaction.atomic():
        schedule(Remind(1), after=timedelta(hours=1))
        schedule(Remind(2), after=timedelta(hours=2))
    (event,) = atoll_bus.wait_for(lambda: atoll_bus.published("account.greeted"), within=timedelta(days=1))
    assert event["data"]["number"] == 1
    assert timedelta(hours=1) <= atoll_bus.now() - began < timedelta(hours=1, minutes=1)
    with pytest.raises(AssertionError, match=r"It did not happen within 0:30:00(.|\n)*event account.greeted"):
        atoll_bus.wait_for(lambda: len(atoll_bus.published()) == 2, within=timedelta(minutes=30))
    assert len(atoll_bus.published()) == 1


def test_a_handler_that_cannot_succeed_ends_among_the_dead(atoll_bus: Bus) -> None:
    @on("account.opened")
    def never(event: Opened, message: Message) -> None:
        Note.objects.create(text="never")
        raise Dead("no such account")

    open_account(1)
    atoll_bus.settle()
    assert [(row.error, row.attempts) for row in atoll_bus.dead("account.opened")] == [("no such account", 1)]
    assert atoll_bus.handled() == []
    assert notes() == []


def test_a_command_reaches_a_service_of_the_platform_and_is_refused_elsewhere(atoll_bus: Bus) -> None:
    with transaction.atomic():
        send(Pay())
        send(Fax())
    atoll_bus.settle()
    assert [m["command"] for m in atoll_bus.sent()] == ["process.payment", "send.fax"]
    assert list(Outbox.objects.order_by("id").values_list("status", "attempts")) == [
        ("published", 0),
        ("pending", 1),
    ]
    atoll_bus.broker.declare("fax-service")
    atoll_bus.advance(timedelta(minutes=1))
    assert len(atoll_bus.broker.consumer("fax-service").take(10)) == 2
    assert Outbox.objects.filter(status="published").count() == 2


def test_what_is_rolled_back_reaches_nobody(atoll_bus: Bus) -> None:
    greeting_service()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        publish(Opened(1))
        raise ZeroDivisionError
    assert atoll_bus.settle() == 0
    assert (atoll_bus.published(), notes()) == ([], [])


def test_handlers_that_feed_each_other_are_named_instead_of_running_for_ever(atoll_bus: Bus) -> None:
    @on("account.opened")
    def again(event: Opened, message: Message) -> None:
        publish(Opened(event.number + 1))

    atoll_bus.repeats = False
    atoll_bus.max_runs = 50
    open_account(1)
    with pytest.raises(AssertionError, match=r"keep feeding each other: account\.opened 51 times"):
        atoll_bus.settle()


def test_what_cannot_be_read_is_quarantined(atoll_bus: Bus) -> None:
    greeting_service()
    atoll_bus.broker.publish("event", "account.opened", b"\xff")
    atoll_bus.settle()
    assert [row.reason for row in atoll_bus.quarantined()] == ["The body is not UTF-8 at byte 0."]


def test_a_handlers_time_limit_does_not_outlive_it(atoll_bus: Bus) -> None:
    @on("account.opened", timeout_s=1)
    def quick(event: Opened, message: Message) -> None: ...

    open_account(1)
    atoll_bus.settle()
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone()[0] == "0"


@pytest.mark.django_db(transaction=True)
def test_it_works_with_real_commits_and_gives_the_real_clock_back(request: Any) -> None:
    greeting_service()
    bus: Bus = request.getfixturevalue("atoll_bus")
    open_account(1)
    bus.advance(timedelta(days=365))
    assert notes() == ["opened 1", "greeted 1"]
    connection.close()
    assert bus.settle() == 0
    assert bus.now() > datetime.now(UTC) + timedelta(days=364)
    bus.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp() < %s", [datetime.now(UTC) + timedelta(minutes=5)])
        assert cursor.fetchone()[0]
    assert Delivery.objects.filter(status="done").count() == 4
