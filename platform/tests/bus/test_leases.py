"""A delivery's lease: renewed while its worker runs, and ended soon after a host disappears."""

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from testproject.models import Note

from atoll import wire
from atoll.bus import Message, Retry, claim_owner, handles, on
from atoll.bus.broker import envelope
from atoll.bus.delivery import executor, lease_renewal
from atoll.bus.delivery import store as deliveries
from atoll.bus.inbox import store as inbox
from atoll.bus.models import Delivery
from atoll.testing.bus import Bus

from .arrivals import store_one
from .conftest import Until
from .database_sessions import another_connection

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("handlers"),
    pytest.mark.processes,
]


@dataclass
class Asked:
    text: str


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def delivery() -> Delivery:
    return Delivery.objects.get()


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "LEASE_S", 0.6)
    monkeypatch.setattr(lease_renewal, "RENEW_EVERY_S", 0.1)


def test_what_a_vanished_host_was_doing_is_due_after_one_lease_however_long_its_handler_may_take() -> None:
    @on("note.asked", timeout_s=3600)
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=f"attempt {message.attempt}")

    delivery_id = store_one("note.asked", {"text": "x"})
    assert deliveries.claim(delivery_id)
    now = timezone.now()
    assert deliveries.sweep(10, now + timedelta(seconds=29)) == []
    assert deliveries.sweep(10, now + timedelta(seconds=31)) == [delivery_id]
    assert executor.execute(delivery_id, now + timedelta(seconds=31)) == 1
    assert notes() == ["attempt 2"]


@pytest.mark.usefixtures("short_leases")
def test_the_lease_of_a_handler_that_prepares_for_long_is_renewed_and_nobody_else_runs_it(
    until: Until,
) -> None:
    prepared: list[int] = []
    may_go_on = threading.Event()

    def ask(command: Asked, message: Message) -> str:
        prepared.append(message.attempt)
        may_go_on.wait(20)
        return "answer"

    @handles("ask", before=ask)
    def write(command: Asked, message: Message, answer: str) -> None:
        Note.objects.create(text=answer)

    delivery_id = _store_command("ask")
    thread = threading.Thread(target=_execute, args=(delivery_id,))
    thread.start()
    until(lambda: prepared)
    claimed_at = delivery().claimed_at
    assert claimed_at
    until(lambda: delivery().next_attempt_at > claimed_at + timedelta(seconds=3 * deliveries.LEASE_S))
    assert deliveries.sweep(10) == []
    assert executor.execute(delivery_id) == 0
    may_go_on.set()
    thread.join()
    assert (prepared, notes(), delivery().status, delivery().attempts) == ([1], ["answer"], "done", 1)
    assert lease_renewal._held == {}


@pytest.mark.usefixtures("short_leases")
def test_a_handler_that_prepares_past_its_time_fails_before_its_transaction_and_is_taken_over(
    until: Until,
) -> None:
    prepared: list[int] = []
    may_go_on = threading.Event()

    def hang_once(command: Asked, message: Message) -> str:
        prepared.append(message.attempt)
        if message.attempt == 1:
            may_go_on.wait(20)
        return f"answer {message.attempt}"

    @handles("ask", before=hang_once, timeout_s=0.5)
    def write(command: Asked, message: Message, answer: str) -> None:
        Note.objects.create(text=answer)

    delivery_id = _store_command("ask")
    thread = threading.Thread(target=_execute, args=(delivery_id,))
    thread.start()
    until(lambda: prepared)
    until(lambda: executor.execute(delivery_id) == 1)
    may_go_on.set()
    thread.join()
    assert (prepared, notes(), delivery().status) == ([1, 2], ["answer 2"], "done")


def test_an_overrun_before_the_transaction_counts_as_failed(atoll_bus: Bus) -> None:
    entered: list[str] = []

    def dawdle(command: Asked, message: Message) -> None:
        time.sleep(0.05)

    @handles("ask", before=dawdle, timeout_s=0.01, retry=Retry(immediate=0, delayed_s=()))
    def write(command: Asked, message: Message, nothing: None) -> None:
        entered.append(command.text)

    (row,) = atoll_bus.deliver("ask", {"text": "x"}, times=1)
    assert (row.status, entered) == ("dead", [])
    assert row.error_group.startswith("HandlerTimeout: ")


def test_within_the_transaction_the_rows_lock_holds_after_the_lease(until: Until) -> None:
    runs: list[int] = []
    may_go_on = threading.Event()

    @on("note.asked", timeout_s=3600)
    def write(event: Asked, message: Message) -> None:
        runs.append(message.attempt)
        Note.objects.create(text=event.text)
        may_go_on.wait(20)

    delivery_id = store_one("note.asked", {"text": "once"})
    thread = threading.Thread(target=_execute, args=(delivery_id,))
    thread.start()
    until(lambda: runs)
    later = timezone.now() + timedelta(hours=1)
    assert deliveries.sweep(10, later) == []
    assert executor.execute(delivery_id, later) == 0
    assert deliveries.take_back() == 0
    deliveries.renew([(delivery_id, 1)])
    may_go_on.set()
    thread.join()
    assert (runs, notes(), delivery().status) == ([1], ["once"], "done")


def test_only_the_attempt_that_holds_the_lease_renews_it() -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None: ...

    delivery_id = store_one("note.asked", {"text": "x"})
    assert deliveries.claim(delivery_id)
    before = delivery().next_attempt_at
    deliveries.renew([(delivery_id, 2)])
    assert delivery().next_attempt_at == before
    deliveries.renew([(delivery_id, 1)])
    assert delivery().next_attempt_at > before


def test_what_a_session_that_is_gone_held_is_not_waited_for_when_somebody_has_locked_it() -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None: ...

    assert deliveries.claim(store_one("note.asked", {"text": "x"}))
    Delivery.objects.update(claimed_at=timezone.now() - timedelta(days=1))
    with another_connection() as other:
        other.execute("BEGIN")
        other.execute("SELECT FROM atoll_bus_delivery FOR UPDATE")
        assert deliveries.take_back() == 0
        other.execute("ROLLBACK")
    assert deliveries.take_back() == 1


def test_the_server_is_told_to_notice_when_a_worker_is_gone() -> None:
    connection.close()
    connection.ensure_connection()
    claim_owner.enable_keepalives()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('client_connection_check_interval')")
        assert cursor.fetchone() == ("2s",)
        cursor.execute("SELECT current_setting('tcp_keepalives_idle'), inet_client_addr() IS NULL")
        idle_s, is_unix_socket = cursor.fetchone()
        assert is_unix_socket or idle_s == "10"


def _execute(delivery_id: UUID) -> None:
    executor.execute(delivery_id)
    connection.close()


def _store_command(name: str) -> UUID:
    body = wire.dumps({"command": name, "data": {"text": "x"}})
    (delivery_id,) = inbox.store([envelope.parse(body, {}, {})])
    return delivery_id
