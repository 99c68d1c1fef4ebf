"""The bus's statistics: correct counts at a cost that does not grow with the tables."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from testproject.handlers import NoteWritten

from atoll import metrics
from atoll.bus import Message, Retry, on, publish
from atoll.bus.broker.messages import Arrival
from atoll.bus.inbox import quarantine
from atoll.bus.models import Delivery, Inbox, Outbox
from atoll.bus.operations import stats
from atoll.bus.operations.metrics import BusCollector
from atoll.bus.ttl_cache import TtlCache
from atoll.ids import uuid7
from atoll.testing.bus import Bus

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("handlers")]

MINUTE = timedelta(minutes=1)


def delivery(status: str, *, handler: str = "h", ago: timedelta = timedelta(), **more: Any) -> Delivery:
    """A row as the ledger holds it. ``ago`` moves all its times into the past."""
    now = _now() - ago
    message = Inbox.objects.create(
        dedupe_key=str(uuid7()), message_id=str(uuid7()), kind="event", name="note.asked", body="{}",
        service_id="test-service", correlation_id=str(uuid7()), sent_at=now, received_at=now,
    )  # fmt: skip
    values = {"next_attempt_at": now, "hint_at": now, "claimed_at": now, "created_at": now, **more}
    return Delivery.objects.create(id=uuid7(), message=message, handler=handler, status=status, **values)


def _now() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        return cursor.fetchone()[0]


def test_an_idle_bus_has_only_zeros() -> None:
    assert stats.ledger_counts() == stats.LedgerCounts(
        0, 0, None, 0, 0, None, 0, 0, None, 0, 0, 0, 0, 0, 0, None
    )
    assert stats.blocked_lanes() == []
    assert stats.last_activity() == stats.LastActivity(None, None, None)
    assert stats.recent_activity().deliveries == 0


def test_the_outbox_counts_waiting_messages_and_the_oldest_ones_age() -> None:
    for text in "abc":
        publish(NoteWritten(text))
    first, _, third = Outbox.objects.order_by("id")
    Outbox.objects.filter(pk=first.pk).update(created_at=F("created_at") - 5 * MINUTE, attempts=2)
    Outbox.objects.filter(pk=third.pk).update(status="published", created_at=F("created_at") - 9 * MINUTE)
    backlog = stats.ledger_counts()
    assert (backlog.to_publish, backlog.refused) == (2, 1)
    assert backlog.oldest_to_publish_s == pytest.approx(300, abs=30)


def test_deliveries_are_counted_by_the_cause_of_their_wait() -> None:
    later = _now() + 10 * MINUTE
    delivery("pending", ago=2 * MINUTE)
    delivery("pending")
    delivery("running", ago=MINUTE)
    delivery("pending", attempts=2, next_attempt_at=later)
    delivery("pending", token="deadline", next_attempt_at=later)
    delivery("done")
    delivery("dead")
    backlog = stats.ledger_counts()
    assert (backlog.open, backlog.due, backlog.running) == (5, 2, 1)
    assert (backlog.retrying, backlog.scheduled, backlog.dead) == (1, 1, 1)
    assert backlog.oldest_due_s == pytest.approx(120, abs=30)
    assert backlog.longest_running_s == pytest.approx(60, abs=30)
    assert backlog.blocked_lanes == backlog.waiting_in_lane == 0


def test_a_delivery_behind_another_in_its_lane_is_not_late() -> None:
    delivery("running", lane="a/1", position=1)
    delivery("pending", lane="a/1", position=2, ago=5 * MINUTE)
    delivery("pending", lane="a/2", position=1)
    backlog = stats.ledger_counts()
    assert (backlog.due, backlog.waiting_in_lane) == (1, 1)
    assert backlog.oldest_due_s == pytest.approx(0, abs=30)


def test_a_blocked_lane_is_listed_with_its_dead_letter() -> None:
    error = "ValueError: no"
    head = delivery("dead", lane="a/1", position=1, error=error, finished_at=_now() - MINUTE)
    for position in (2, 3):
        delivery("pending", lane="a/1", position=position)
    delivery("pending", lane="a/1", position=2, handler="another")
    delivery("pending", lane="a/2", position=2)
    delivery("dead")
    [lane] = stats.blocked_lanes()
    assert (lane.head, lane.handler, lane.lane, lane.error) == (head.pk, "h", "a/1", error)
    assert (lane.waiting, lane.since) == (2, head.finished_at)
    assert stats.ledger_counts().blocked_lanes == 1


def test_recent_messages_are_counted_by_their_outcome(atoll_bus: Bus) -> None:
    @on("note.asked", retry=Retry(immediate=0, delayed_s=()))
    def write(event: dict[str, Any], message: Message) -> None:
        if event["fails"]:
            raise ValueError("no")

    for fails in (False, False, True):
        atoll_bus.deliver("note.asked", {"fails": fails}, times=1)
    publish(NoteWritten("a"))
    lately = stats.recent_activity()
    assert (lately.announced, lately.published) == (1, 0)
    assert (lately.deliveries, lately.settled, lately.failing) == (3, 2, 1)
    assert lately.handling_p50_ms is not None
    assert 0 <= lately.handling_p50_ms < 5000
    much_later = stats.recent_activity(now_s=time.time() + 120)
    assert (much_later.deliveries, much_later.announced, much_later.handling_p50_ms) == (0, 0, None)


@pytest.mark.parametrize("query", [stats.OUTBOX, stats.DELIVERIES, stats.LANES, stats.RECENT_ACTIVITY])
def test_a_count_never_scans_a_table(query: str) -> None:
    """Without sequential scans, a plan that still scans has no index to use."""
    parameters = {"counted": 10, "lanes": 10, "newest": 10, "since": uuid7()}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {query}", parameters)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Seq Scan" not in plan, plan


def test_a_count_stops_at_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "MAX_COUNTED", 2)
    for status in ("dead", "pending", "pending", "pending", "dead", "dead"):
        delivery(status)
    backlog = stats.ledger_counts()
    assert (backlog.dead, backlog.open) == (2, 2)


@pytest.mark.usefixtures("db")
def test_metrics_give_the_counts_of_the_service() -> None:
    quarantine.add(Arrival("evt.library-service", "x", b"{", {}, {}), "no JSON")
    delivery("dead", lane="a/1", position=1)
    delivery("pending", ago=MINUTE)
    told = {sample.name: sample.value for metric in BusCollector().collect() for sample in metric.samples}
    assert told["bus_ledger_readable"] == 1
    assert told["bus_deliveries_dead"] == told["bus_quarantine_waiting"] == told["bus_lanes_blocked"] == 1
    assert told["bus_deliveries_due"] == 1
    assert told["bus_deliveries_oldest_due_seconds"] == pytest.approx(60, abs=30)
    assert told["bus_outbox_oldest_pending_seconds"] == 0


def test_without_a_database_one_metric_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM nowhere")

    monkeypatch.setattr("atoll.bus.operations.stats.ledger_counts", refused)
    metrics_told = [metric.name for metric in BusCollector().collect()]
    assert metrics_told == ["bus_ledger_readable"]


def test_the_counts_are_at_the_metrics_address(client: Client) -> None:
    assert "bus_outbox_pending" in client.get("/metrics").content.decode()
    assert b"bus_deliveries_dead" in metrics.exposition()


def test_a_cached_value_is_read_again_after_its_time() -> None:
    now, asked = [0.0], []
    remembered = TtlCache(lambda: asked.append(1) or len(asked), ttl_s=5, clock=lambda: now[0])
    assert (remembered(), remembered()) == (1, 1)
    now[0] = 5
    assert remembered() == 2
