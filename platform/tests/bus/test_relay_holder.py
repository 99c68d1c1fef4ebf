"""One relay of a service publishes. Another takes over when its process, session or broker is gone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection

from atoll.bus.broker import amqp_publisher
from atoll.bus.models import Outbox
from atoll.bus.outbox import holder, relay
from atoll.bus.outbox.relay import Relay
from atoll.testing.proxy import Proxy

from .conftest import Until
from .database_sessions import another_connection
from .recording_publisher import RecordingPublisher
from .relaying import all_are_published, announce

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

SESSIONS = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = %s AND database = (
    SELECT oid FROM pg_database WHERE datname = current_database())
"""
# As a relay of the version before takes it for each claim.
CLAIMING_BEFORE = "SET lock_timeout = 100; SELECT pg_advisory_xact_lock(0x61746F6C6C)"


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "TAKE_OVER_EVERY_S", 0.02)


@contextmanager
def recording() -> Iterator[tuple[Relay, RecordingPublisher]]:
    """A relay on a thread, without a broker."""
    publisher = RecordingPublisher()
    running = Relay(lambda: publisher)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        assert running.connected.wait(20)
        yield running, publisher
    finally:
        running.stop()
        thread.join(20)
        assert not thread.is_alive()


def holding_session() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(SESSIONS, [holder.RELAY_LOCK & 0xFFFFFFFF])
        found = cursor.fetchone()
    return found[0] if found else None


def end_session(session: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [session])


def test_of_two_relays_one_publishes_and_the_other_takes_over_when_it_stops(until: Until) -> None:
    with recording() as (first, published):
        assert first.holds.wait(20)
        with recording() as (second, taken_over):
            announce(*range(20), key="a")
            until(all_are_published)
            assert (len(published.rows), taken_over.rows, second.holds.is_set()) == (20, [], False)
            first.stop()
            assert second.holds.wait(20)
            announce(20)
            until(all_are_published)
            assert (len(published.rows), len(taken_over.rows)) == (20, 1)


def test_a_relay_whose_session_the_server_ends_publishes_again(until: Until) -> None:
    with recording() as (running, published):
        assert running.holds.wait(20)
        announce(1)
        until(all_are_published)
        before = holding_session()
        assert before
        end_session(before)
        until(lambda: holding_session() not in (None, before))
        announce(2)
        until(all_are_published)
    assert [row.id for row in published.rows] == list(
        Outbox.objects.order_by("id").values_list("id", flat=True)
    )


def test_the_session_of_a_process_that_was_stopped_is_ended_when_it_has_been_silent(
    until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    with another_connection() as stopped:
        stopped.execute(holder.TAKE, {"lock": holder.RELAY_LOCK})
        announce(1)
        with recording() as (running, _):
            assert not running.holds.wait(0.2)
            assert holding_session() == stopped.connection.info.backend_pid
            monkeypatch.setattr(holder, "SILENT_S", 0.1)
            until(all_are_published)
        with pytest.raises(OperationalError):
            stopped.execute("SELECT 1")


def test_a_holder_that_asks_the_database_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    with another_connection() as busy:
        busy.execute(holder.TAKE, {"lock": holder.RELAY_LOCK})
        assert not holder.take()
        assert not holder.end_silent()
        busy.execute("SELECT 1")
        monkeypatch.setattr(holder, "SILENT_S", 0.0)
        assert holder.end_silent()


def test_relays_of_the_version_before_claim_nothing_beside_a_holder() -> None:
    with recording() as (running, _), another_connection() as before:
        assert running.holds.wait(20)
        with pytest.raises(OperationalError, match="lock timeout"):
            before.execute(CLAIMING_BEFORE)
    with another_connection() as before:
        before.execute(CLAIMING_BEFORE)


def test_a_broker_connection_that_went_dead_half_way_costs_its_holder_the_lock(
    rabbitmq: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """The messages may be at the broker; its confirms do not come back."""
    monkeypatch.setattr(amqp_publisher, "CONFIRM_DEADLINE_S", 0.3)
    proxy = Proxy("127.0.0.1", 5672)
    monkeypatch.setenv("RABBITMQ_URL", rabbitmq.replace(":5672", f":{proxy.port}"))
    half_open = Relay()
    thread = threading.Thread(target=half_open.run)
    thread.start()
    assert half_open.holds.wait(20)
    monkeypatch.setenv("RABBITMQ_URL", rabbitmq)
    with recording() as (running, published):
        proxy.stall()
        announce(1)
        until(all_are_published)
        assert (running.holds.is_set(), len(published.rows)) == (True, 1)
        half_open.stop()
        proxy.flow()
        thread.join(30)
    proxy.cut()
    assert not thread.is_alive()
    assert list(Outbox.objects.values_list("status", "attempts")) == [("published", 0)]
