"""Publishing writes rows in the caller's transaction, and nothing else."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.db import connection, transaction

from atoll import context
from atoll.bus import cancel_scheduled, handles, publish, schedule, send
from atoll.bus.handlers import registry
from atoll.bus.models import Delivery, Outbox
from atoll.errors import Misuse
from atoll.testing.bus import Bus

from .database_sessions import another_connection


@dataclass
class Opened:
    type: ClassVar[str] = "account.opened"
    version: ClassVar[int] = 3
    account_id: str


@dataclass
class Close:
    command: ClassVar[str] = "close.account"
    to: ClassVar[str] = "account-service"
    outside: ClassVar[bool] = True
    account_id: str


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_was_never_announced() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        publish(Opened("a"), key="a")
        send(Close("a"))
        raise RuntimeError
    assert Outbox.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_announcing_outside_a_transaction_is_a_mistake(handlers: list[registry.Handler]) -> None:
    @handles("close.account")
    def close(command: Close, message: Any) -> None: ...

    for announce in (
        lambda: publish(Opened("a")),
        lambda: send(Close("a")),
        lambda: schedule(Close("a"), after=timedelta(0)),
        lambda: cancel_scheduled("a"),
    ):
        with pytest.raises(Misuse, match="outside a transaction"):
            announce()
    assert (Outbox.objects.count(), Delivery.objects.count()) == (0, 0)


def test_an_event_goes_out_in_the_envelope_of_the_contract(atoll_bus: Bus) -> None:
    with context.work(correlation_id="checkout-4711"):
        message_id = publish(Opened("a"))
    (envelope,) = atoll_bus.published("account.opened")
    timestamp = envelope["timestamp"]
    assert envelope == {
        "id": str(message_id),
        "eventType": "account.opened",
        "data": {"accountId": "a", "timestamp": timestamp},
        "timestamp": timestamp,
        "serviceId": "library-service",
        "correlationId": "checkout-4711",
        "version": 3,
    }
    row = Outbox.objects.get()
    assert (row.kind, row.destination, row.status) == ("event", "account.opened", "pending")
    assert row.correlation_id == "checkout-4711"


def test_a_command_is_addressed_to_a_service(atoll_bus: Bus) -> None:
    send(Close("a"))
    send(Close("b"), to="archive-service")
    assert [envelope["command"] for envelope in atoll_bus.sent("close.account")] == ["close.account"] * 2
    assert list(Outbox.objects.order_by("id").values_list("destination", flat=True)) == [
        "account-service",
        "archive-service",
    ]


@pytest.mark.django_db
def test_what_has_no_usable_name_or_addressee_is_a_mistake() -> None:
    @dataclass
    class Nameless:
        pass

    @dataclass
    class Shouting:
        type: ClassVar[str] = "Order Created"

    @dataclass
    class Homeless:
        command: ClassVar[str] = "close.account"

    for mistake in (
        lambda: publish(Nameless()),
        lambda: publish(Shouting()),
        lambda: send(Homeless()),
        lambda: send(Close("a"), to="x" * 256),
        lambda: publish(Opened("a"), key="x" * 256),
        lambda: publish(Opened("a"), key=""),
        lambda: publish(Opened("a"), key="a\0b"),
        lambda: publish(Opened("a"), key="\udcff"),
        lambda: publish(Opened("a"), key=uuid4()),  # type: ignore[arg-type]
    ):
        with pytest.raises(Misuse):
            mistake()
    assert Outbox.objects.count() == 0


@pytest.mark.django_db
def test_messages_of_a_key_are_numbered_from_the_clock_on() -> None:
    before_ms = int(time.time() * 1000)
    for key in ("a", "b", "a", None):
        publish(Opened("x"), key=key)
    after_ms = int(time.time() * 1000)
    rows = list(Outbox.objects.order_by("id"))
    first, other, second = [row.key_sequence or 0 for row in rows[:3]]
    assert [row.key for row in rows] == ["a", "b", "a", ""]
    assert before_ms <= first <= after_ms
    assert before_ms <= other <= after_ms
    assert (second, rows[3].key_sequence) == (first + 1, None)


@pytest.mark.django_db(transaction=True)
def test_writers_of_one_key_take_turns_so_that_row_order_is_commit_order(until: Any) -> None:
    def second_writer() -> None:
        with transaction.atomic():
            publish(Opened("second"), key="a")
        connection.close()

    thread = threading.Thread(target=second_writer)
    with transaction.atomic():
        publish(Opened("first"), key="a")
        thread.start()
        until(_somebody_waits_for_a_lock)
    thread.join()
    first, second = [row.key_sequence or 0 for row in Outbox.objects.order_by("id")]
    assert second == first + 1


def _somebody_waits_for_a_lock() -> bool:
    with another_connection() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db
def test_only_what_is_handled_here_can_be_scheduled_here(handlers: list[registry.Handler]) -> None:
    with pytest.raises(Misuse, match="no function here handles it"):
        schedule(Close("a"), after=timedelta(seconds=1))
    assert Delivery.objects.count() == 0


def test_a_web_process_can_publish_without_celery_and_kombu() -> None:
    script = (
        "import sys, django; django.setup(); import atoll.bus, atoll.bus.admin\n"
        "print(*{'celery', 'kombu', 'amqp'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "testproject.settings",
            "PYTHONPATH": ":".join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "\n", "")
