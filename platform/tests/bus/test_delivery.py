"""Attempts and outcomes: one transaction holds a handler's effects, its messages and the status "done"."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from structlog.testing import capture_logs
from testproject.models import Note

from atoll import context
from atoll.bus import Dead, Ignore, Message, Retry, handles, on, publish
from atoll.bus.handlers import registry
from atoll.bus.models import Delivery, Inbox
from atoll.errors import Misuse, Unavailable
from atoll.testing.bus import Bus

from .database_sessions import another_connection

pytestmark = pytest.mark.usefixtures("handlers")


@dataclass
class Asked:
    text: str


@dataclass
class Written:
    type: ClassVar[str] = "note.written"
    text: str


@dataclass
class Remind:
    text: str


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def test_a_message_takes_effect_once_however_many_copies_arrive(atoll_bus: Bus) -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=event.text)

    atoll_bus.deliver("note.asked", {"text": "hello"}, message_id="m-1", times=5)
    assert notes() == ["hello"]
    assert (Inbox.objects.count(), Delivery.objects.get().attempts) == (1, 1)


def test_the_kit_runs_a_handler_twice_unless_told_otherwise(atoll_bus: Bus) -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=message.id)

    assert [row.status for row in atoll_bus.deliver("note.asked", {"text": "x"})] == ["done", "done"]
    assert len(set(notes())) == 2


def test_a_handler_knows_its_message_and_what_it_sends_belongs_to_the_same_work(atoll_bus: Bus) -> None:
    seen: list[tuple[Message, str | None, str | None]] = []

    @on("note.*")
    def write(event: Asked, message: Message) -> None:
        seen.append((message, context.correlation_id(), context.idempotency_key()))
        publish(Written(event.text))

    (row,) = atoll_bus.deliver(
        "note.asked", {"text": "x", "extra": 1}, times=1, message_id="m-1", correlation_id="checkout-4711"
    )
    ((message, correlation_id, idempotency_key),) = seen
    assert (message.id, message.type, message.attempt, message.version) == ("m-1", "note.asked", 1, 1)
    assert (message.service_id, message.data) == ("test-service", {"text": "x", "extra": 1})
    assert correlation_id == message.correlation_id == "checkout-4711"
    assert idempotency_key == message.idempotency_key == str(row.id)
    assert [envelope["correlationId"] for envelope in atoll_bus.published("note.written")] == [
        "checkout-4711"
    ]


@pytest.mark.parametrize(
    ("error", "has_stack"), [(Unavailable("bank", "is closed"), False), (ValueError("a mistake"), True)]
)
def test_the_log_shows_a_stack_for_our_own_mistakes_only(
    atoll_bus: Bus, error: Exception, has_stack: bool
) -> None:
    @on("note.asked", retry=Retry(immediate=0, delayed_s=(5,)))
    def fail(event: Asked, message: Message) -> None:
        raise error

    with capture_logs() as lines:
        (row,) = atoll_bus.deliver("note.asked", {"text": "x"}, times=1)
    (line,) = [line for line in lines if line["event"] == "handler failed"]
    assert (line["error"], line["exc_info"] is not None) == (f"{type(error).__name__}: {error}", has_stack)
    assert "Traceback" in row.traceback


def test_a_failing_handler_is_retried_by_its_policy_and_then_dead(atoll_bus: Bus) -> None:
    attempts: list[int] = []

    @on("note.asked", retry=Retry(immediate=1, delayed_s=(5, 30)))
    def fail(event: Asked, message: Message) -> None:
        attempts.append(message.attempt)
        Note.objects.create(text="never seen")
        publish(Written("never sent"))
        raise ValueError(f"attempt {message.attempt}")

    started = timezone.now()
    (row,) = atoll_bus.deliver("note.asked", {"text": "x"}, times=1)
    assert (attempts, row.status, row.error) == ([1, 2], "pending", "ValueError: attempt 2")
    assert timedelta(seconds=4) < row.next_attempt_at - started < timedelta(seconds=6)
    assert atoll_bus.run_due() == 0
    assert atoll_bus.run_due(started + timedelta(seconds=7)) == 1
    assert atoll_bus.run_due(started + timedelta(seconds=30)) == 0
    assert atoll_bus.run_due(started + timedelta(seconds=40)) == 1
    row.refresh_from_db()
    assert (attempts, row.status, row.attempts) == ([1, 2, 3, 4], "dead", 4)
    assert row.error == "ValueError: attempt 4"
    assert "in fail" in row.traceback
    assert (notes(), atoll_bus.published()) == ([], [])
    assert atoll_bus.run_due(started + timedelta(days=1)) == 0


def test_no_attempt_starts_after_the_message_is_too_old(atoll_bus: Bus) -> None:
    @on("note.asked", retry=Retry(immediate=0, delayed_s=(5, 5, 5), max_age_s=8))
    def fail(event: Asked, message: Message) -> None:
        raise ValueError

    started = timezone.now()
    (row,) = atoll_bus.deliver("note.asked", {"text": "x"}, times=1)
    assert atoll_bus.run_due(started + timedelta(seconds=6)) == 1
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("dead", 2)


def test_two_handlers_of_a_message_do_not_know_of_each_other(atoll_bus: Bus) -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=event.text)

    @on("note.asked", retry=Retry(immediate=0, delayed_s=()))
    def fail(event: Asked, message: Message) -> None:
        raise ValueError

    rows = atoll_bus.deliver("note.asked", {"text": "x"}, times=1)
    assert {row.handler.rpartition(".")[2]: row.status for row in rows} == {"write": "done", "fail": "dead"}
    assert notes() == ["x"]


@pytest.mark.parametrize(
    ("outcome", "status"), [(Ignore("seen before"), "ignored"), (Dead("no such order"), "dead")]
)
def test_a_handler_may_decide_its_outcome_and_leaves_nothing(
    atoll_bus: Bus, outcome: Exception, status: str
) -> None:
    @on("note.asked")
    def decide(event: Asked, message: Message) -> None:
        Note.objects.create(text=event.text)
        raise outcome

    (row,) = atoll_bus.deliver("note.asked", {"text": "x"}, times=1)
    assert (row.status, row.attempts, row.error) == (status, 1, str(outcome))
    assert notes() == []


def test_a_payload_that_does_not_fit_is_dead_without_a_second_try(atoll_bus: Bus) -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=event.text)

    (row,) = atoll_bus.deliver("note.asked", {"text": ["a", "list"]}, times=1)
    assert (row.status, row.attempts) == ("dead", 1)
    assert row.error.startswith("The payload does not fit Asked: text")


def test_a_handler_that_is_gone_keeps_its_delivery_visible(atoll_bus: Bus) -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        raise ValueError

    (row,) = atoll_bus.deliver("note.asked", {"text": "x"}, times=1)
    registry._handlers.clear()
    assert row.attempts == 3
    assert atoll_bus.run_due(timezone.now() + timedelta(days=2)) == 0
    row.refresh_from_db()
    assert (row.status, row.attempts, row.error) == ("pending", 3, "ValueError: ")


@pytest.mark.django_db(transaction=True)
def test_before_runs_outside_any_transaction_and_its_result_reaches_the_handler(atoll_bus: Bus) -> None:
    in_transaction: list[bool] = []

    def ask(command: Asked, message: Message) -> str:
        in_transaction.append(connection.in_atomic_block)
        return f"answer to {command.text}"

    @handles("ask", before=ask)
    def write(command: Asked, message: Message, answer: str) -> None:
        in_transaction.append(connection.in_atomic_block)
        Note.objects.create(text=answer)

    atoll_bus.deliver("ask", {"text": "x"}, times=1)
    assert in_transaction == [False, True]
    assert notes() == ["answer to x"]


def swallow_an_error(text: str) -> None:
    with suppress(IntegrityError):
        Note.objects.create(id=Note.objects.create(text="once").id, text=text)


def swallow_below_the_orm(text: str) -> None:
    with suppress(Exception), connection.connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")


def end_the_transaction(text: str) -> None:
    transaction.set_rollback(True)


def close_the_session(text: str) -> None:
    connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "break_it", [swallow_an_error, swallow_below_the_orm, end_the_transaction, close_the_session]
)
def test_a_handler_that_breaks_its_transaction_in_silence_has_failed(
    atoll_bus: Bus, break_it: Callable[[str], None]
) -> None:
    """PostgreSQL and Django roll such a transaction back without an error."""
    committed: list[str] = []

    @on("note.asked", retry=Retry(immediate=0, delayed_s=()))
    def write(event: Asked, message: Message) -> None:
        transaction.on_commit(lambda: committed.append(event.text))
        break_it(event.text)

    with capture_logs() as lines:
        (row,) = atoll_bus.deliver("note.asked", {"text": "x"}, times=1)
    assert row.status == "dead"
    assert row.error.startswith("BrokenTransaction: ")
    assert (notes(), committed) == ([], [])
    assert "handler done" not in [line["event"] for line in lines]


@pytest.mark.django_db(transaction=True)
def test_an_error_after_the_commit_is_no_failure_of_the_delivery(atoll_bus: Bus) -> None:
    seen: list[str | None] = []

    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        transaction.on_commit(lambda: 1 / 0)
        transaction.on_commit(lambda: seen.append(context.idempotency_key()))

    with capture_logs() as lines:
        (row,) = atoll_bus.deliver("note.asked", {"text": "x"}, times=1)
    assert (row.status, seen) == ("done", [str(row.id)])
    assert [line["event"] for line in lines if line["event"].startswith("handler")] == ["handler done"]


@pytest.mark.django_db(transaction=True)
def test_a_handler_past_its_time_leaves_nothing(atoll_bus: Bus) -> None:
    @on("note.asked", timeout_s=0.2, retry=Retry(immediate=0, delayed_s=()))
    def sleep_in_the_database(event: Asked, message: Message) -> None:
        Note.objects.create(text=event.text)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(10)")

    (row,) = atoll_bus.deliver("note.asked", {"text": "x"}, times=1)
    assert row.status == "dead"
    assert "statement timeout" in row.error
    assert notes() == []


@pytest.mark.django_db(transaction=True)
def test_a_handler_that_idles_past_its_time_is_cut_off_by_the_server(atoll_bus: Bus) -> None:
    @on("note.asked", timeout_s=0.2, retry=Retry(immediate=0, delayed_s=()))
    def hang(event: Asked, message: Message) -> None:
        Note.objects.create(text=event.text)
        with another_connection() as cursor:
            cursor.execute("SELECT pg_sleep(1)")

    (row,) = atoll_bus.deliver("note.asked", {"text": "x"}, times=1)
    assert (row.status, notes()) == ("dead", [])


def test_a_command_has_one_handler_here() -> None:
    @handles("remind")
    def first(command: Remind, message: Message) -> None: ...

    with pytest.raises(Misuse, match="a command has one handler"):

        @handles("remind")
        def second(command: Remind, message: Message) -> None: ...

    with pytest.raises(Misuse, match="exact name"):

        @handles("remind.*")
        def third(command: Remind, message: Message) -> None: ...
