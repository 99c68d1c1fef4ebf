"""Retention: settled rows stay for a number of days; open, dead and waiting rows stay longer."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import Error, connection, transaction
from django.utils import timezone

from atoll.bus import Message, on
from atoll.bus.delivery import store as deliveries
from atoll.bus.models import Delivery, Inbox, KeySequence, Outbox, Quarantine
from atoll.bus.operations import retention
from atoll.bus.operations.retention import RetentionPeriods, delete_old_rows
from atoll.bus.outbox import store as outbox
from atoll.bus.publishing import publish_raw
from atoll.ids import uuid7

from .arrivals import store_one
from .conftest import Until
from .database_sessions import another_connection

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

KEEP = RetentionPeriods(published_days=7, handled_days=14, settled_days=30)
NOTHING = {"outbox": 0, "inbox": 0, "quarantine": 0, "keysequence": 0}


def days_ago(days: float) -> datetime:
    return timezone.now() - timedelta(days=days)


def announced(name: str, created: float, status: str = "published", published: float | None = None) -> None:
    Outbox.objects.create(
        message_id=uuid7(),
        kind="event",
        name=name,
        destination=name,
        body="{}",
        correlation_id="c",
        status=status,
        next_attempt_at=days_ago(created),
        created_at=days_ago(created),
        published_at=None if published is None else days_ago(published),
    )


def arrived(name: str, received: float, outcomes: Sequence[tuple[str, float | None]]) -> None:
    row = Inbox.objects.create(
        dedupe_key=f"s/{name}",
        message_id=name,
        kind="event",
        name=name,
        body="{}",
        service_id="s",
        correlation_id="c",
        sent_at=days_ago(received),
        received_at=days_ago(received),
    )
    for number, (status, finished) in enumerate(outcomes):
        Delivery.objects.create(
            id=uuid7(),
            message=row,
            handler=f"h{number}",
            status=status,
            next_attempt_at=days_ago(received),
            hint_at=days_ago(received),
            created_at=days_ago(received),
            finished_at=None if finished is None else days_ago(finished),
        )


def quarantined(reason: str, received: float, status: str) -> None:
    Quarantine.objects.create(
        digest=reason,
        queue="q",
        routing_key="r",
        body=b"",
        reason=reason,
        status=status,
        received_at=days_ago(received),
    )


def names(model: Any, column: str = "name") -> list[str]:
    return sorted(model.objects.values_list(column, flat=True))


def test_the_outbox_keeps_pending_and_recently_published_rows() -> None:
    announced("published long ago", 9, published=8)
    announced("published at last", 30, published=6)
    announced("discarded long ago", 8, status="discarded")
    announced("discarded", 6, status="discarded")
    announced("waits", 400, status="pending")
    announced("published", 1, published=1)
    assert delete_old_rows(KEEP) == NOTHING | {"outbox": 2}
    assert names(Outbox) == ["discarded", "published", "published at last", "waits"]


def test_the_inbox_keeps_open_dead_and_recently_finished_messages() -> None:
    arrived("done", 15, [("done", 15), ("ignored", 15), ("discarded", 14.5), ("cancelled", 15)])
    arrived("one is dead", 400, [("done", 400), ("dead", 400)])
    arrived("one waits", 400, [("pending", None), ("done", 400)])
    arrived("one runs", 400, [("running", None)])
    arrived("replayed lately", 400, [("done", 13)])
    arrived("nobody's", 15, [])
    arrived("young", 13, [("done", 13)])
    assert delete_old_rows(KEEP) == NOTHING | {"inbox": 2}
    assert names(Inbox) == ["one is dead", "one runs", "one waits", "replayed lately", "young"]
    assert Delivery.objects.count() == 7


def test_quarantine_keeps_rows_without_a_decision() -> None:
    quarantined("waiting", 400, "waiting")
    quarantined("replayed long ago", 31, "replayed")
    quarantined("discarded long ago", 31, "discarded")
    quarantined("replayed", 29, "replayed")
    assert delete_old_rows(KEEP) == NOTHING | {"quarantine": 2}
    assert names(Quarantine, "reason") == ["replayed", "waiting"]


def test_a_keys_counter_that_was_deleted_goes_on_above_where_it_was() -> None:
    with transaction.atomic():
        publish_raw("note.asked", {}, key="a")
        publish_raw("note.asked", {}, key="b")
    before = Outbox.objects.filter(key="a").get().key_sequence
    KeySequence.objects.filter(key="a").update(used_at=days_ago(22))
    KeySequence.objects.filter(key="b").update(used_at=days_ago(20))
    assert delete_old_rows(KEEP) == NOTHING | {"keysequence": 1}
    assert names(KeySequence, "key") == ["b"]
    with transaction.atomic():
        publish_raw("note.asked", {}, key="a")
    after = Outbox.objects.filter(key="a").latest("id").key_sequence
    assert before is not None
    assert after is not None
    assert after > before


def test_steps_are_small_and_skip_rows_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    for number in range(4):
        announced(f"waits {number}", 400, status="pending")
    for number in range(8):
        announced(f"old {number}", 9, published=8)
    announced("young", 1, published=1)
    left: list[int] = []

    def pause(seconds: float) -> bool:
        left.append(Outbox.objects.count())
        return False

    assert delete_old_rows(KEEP, pause) == NOTHING | {"outbox": 8}
    assert left == [13, 11, 8, 5]
    assert names(Outbox) == ["waits 0", "waits 1", "waits 2", "waits 3", "young"]


def test_a_pass_ends_where_rows_are_young(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(10):
        announced(f"young {number}", 1, published=1)
    pauses: list[float] = []
    delete_old_rows(KEEP, lambda seconds: bool(pauses.append(seconds)))
    assert pauses == []


def test_told_to_stop_it_ends_between_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(6):
        announced(f"old {number}", 9, published=8)
    assert delete_old_rows(KEEP, lambda _: True)["outbox"] == 2
    assert Outbox.objects.count() == 4


def test_locked_rows_are_left_for_the_next_pass() -> None:
    announced("locked", 9, published=8)
    announced("free", 9, published=8)
    with another_connection() as other:
        other.execute("BEGIN")
        other.execute("SELECT FROM atoll_bus_outbox WHERE name = 'locked' FOR UPDATE")
        assert delete_old_rows(KEEP)["outbox"] == 1
        other.execute("ROLLBACK")
    assert delete_old_rows(KEEP)["outbox"] == 1


def test_a_step_under_way_holds_up_neither_publishing_nor_relaying_nor_handling() -> None:
    @on("note.asked")
    def write(event: dict[str, Any], message: Message) -> None: ...

    for number in range(50):
        announced(f"old {number}", 9, published=8)
        arrived(f"old {number}", 15, [("done", 15)])
    step = {"after": 0, "until": 10**6, "keep_s": 7 * retention.DAY_S}
    with another_connection() as other:
        other.execute("BEGIN")
        other.execute(retention.OUTBOX, step)
        other.execute(retention.INBOX, step)
        assert other.rowcount == 50
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        with transaction.atomic():
            publish_raw("note.asked", {}, key="a")
        (row,) = outbox.due(10)
        outbox.mark_published([row.id])
        delivery_id = store_one("note.asked", {})
        claim = deliveries.claim(delivery_id)
        assert claim
        with transaction.atomic():
            assert deliveries.mark_done(claim, 5)
        other.execute("COMMIT")
    assert names(Outbox) == ["note.asked"]


def test_a_delivery_replayed_during_a_deletion_stays_with_its_message(until: Until) -> None:
    arrived("given up", 20, [("discarded", 20)])
    arrived("done", 20, [("done", 20)])
    failures: list[Error] = []

    def clean_up() -> None:
        try:
            delete_old_rows(KEEP)
        except Error as error:
            failures.append(error)
        finally:
            connection.close()

    with another_connection() as other:
        other.execute("BEGIN")
        other.execute(
            "UPDATE atoll_bus_delivery SET status = 'pending', finished_at = NULL WHERE status = 'discarded'"
        )
        thread = threading.Thread(target=clean_up)
        thread.start()
        until(lambda: is_waiting_for_a_lock())
        other.execute("COMMIT")
    thread.join()
    assert len(failures) == 1
    assert (names(Inbox), names(Delivery, "status")) == (["done", "given up"], ["done", "pending"])
    assert delete_old_rows(KEEP)["inbox"] == 1
    assert (names(Inbox), names(Delivery, "status")) == (["given up"], ["pending"])


def is_waiting_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock')"
        )
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"BUS_KEEP_HANDLED_DAYS": "3"}, "BUS_KEEP_HANDLED_DAYS is 3 and must be at least 7"),
        (
            {"BUS_KEEP_HANDLED_DAYS": "3", "BUS_KEEP_PUBLISHED_DAYS": "2"},
            "BUS_KEEP_HANDLED_DAYS is 3 and must be at least 4",
        ),
        ({"BUS_KEEP_PUBLISHED_DAYS": "20"}, "BUS_KEEP_HANDLED_DAYS is 14 and must be at least 20"),
        ({"BUS_KEEP_SETTLED_DAYS": "a month"}, "BUS_KEEP_SETTLED_DAYS='a month' is not a number of days"),
        ({"BUS_KEEP_PUBLISHED_DAYS": "0"}, "BUS_KEEP_PUBLISHED_DAYS='0' is not a number of days"),
        ({"BUS_KEEP_SETTLED_DAYS": "999999999"}, "BUS_KEEP_SETTLED_DAYS='999999999' is not a number of days"),
        ({"BUS_KEEP_PUBLISHED_DAYS": "nan"}, "BUS_KEEP_PUBLISHED_DAYS='nan' is not a number of days"),
    ],
)
def test_days_that_would_double_effects_or_make_no_sense_are_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], complaint: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=complaint):
        retention.configured_periods()
    with pytest.raises(SystemCheckError, match=complaint):
        call_command("check")


def test_days_may_be_set_for_one_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBRARY_BUS_KEEP_HANDLED_DAYS", "60.5")
    assert retention.configured_periods() == RetentionPeriods(handled_days=60.5)
