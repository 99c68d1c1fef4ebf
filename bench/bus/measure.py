"""The measurements, one after the other on one service."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now

from atoll import conf, wire
from atoll.bus.broker import envelope
from atoll.bus.inbox import store as inbox
from atoll.bus.models import Delivery, Outbox
from atoll.bus.worker.celery_app import CONCURRENCY
from atoll.ids import uuid7
from bench.bus import ceilings, load, servers
from bench.bus.load import FILLER, OpenLoop
from bench.bus.processes import Process, until
from bench.bus.project.handlers import Booked
from bench.bus.project.models import ACCOUNTS, Account, Booking

WORKER = ("-m", "django", "worker")
MESSAGES = 20_000
RUNS = 10_000
BACKLOG = 100_000
LATENCY_PER_S = 200
# The rate of new events while the worker handles a backlog; low, so that the backlog gets the machine.
NEW_PER_S = 20
MARGIN_S = 300

LEGS = """
SELECT extract(epoch from o.published_at - o.created_at)::float8 * 1000,
       extract(epoch from i.received_at - o.published_at)::float8 * 1000,
       extract(epoch from d.claimed_at - i.received_at)::float8 * 1000,
       extract(epoch from d.finished_at - d.claimed_at)::float8 * 1000
FROM atoll_bus_outbox o JOIN atoll_bus_inbox i ON i.message_id = o.message_id::text
JOIN atoll_bus_delivery d ON d.message_id = i.id
WHERE o.created_at > to_timestamp(%(since)s) AND o.body LIKE '%%"isTimed":true%%'
"""

Figures = dict[str, float]


class Bench:
    """One run with its own database and queues. It counts lost and doubled effects."""

    def __init__(self, folder: Path, *, scale: float, seconds: float) -> None:
        self.folder = folder
        self.scale = scale
        self.seconds = seconds
        self.next_number = 0
        self.expected: set[int] = set()

    def prepare(self) -> None:
        """Create an empty database with the service's tables, and the queues at the broker."""
        servers.create_database()
        call_command("migrate", run_syncdb=True, verbosity=0)
        Account.objects.bulk_create(Account() for _ in range(ACCOUNTS))
        with self.worker():
            pass

    def clear(self) -> None:
        servers.delete_queues()
        servers.drop_database()

    def run(self, only: Sequence[str]) -> Figures:
        parts: dict[str, Callable[[], Figures]] = {
            "ceilings": self.ceilings,
            "relay": self.relay,
            "handlers": self.handlers,
            "latency": self.latency,
            "backlog": self.backlog,
        }
        figures: Figures = {}
        for name, part in parts.items():
            if not only or name in only:
                servers.vacuum()
                found = part()
                print(f"{name}: {json.dumps(found)}", flush=True)
                figures |= found
        self._settle()
        figures |= self._wrong()
        if figures["lost"] or figures["doubled"]:
            raise SystemExit(f"No figures: {figures['lost']} effects lost, {figures['doubled']} doubled.")
        if "handler_runs_per_s" in figures and "celery_noop_per_s" in figures:
            ratio = figures["handler_runs_per_s"] / figures["celery_noop_per_s"]
            figures["handler_to_noop"] = round(ratio, 2)
        return figures

    def ceilings(self) -> Figures:
        data = {"number": 1, "isTimed": False, "filler": FILLER}
        body = envelope.build(
            kind="event", name="bench.booked", message_id=uuid7(), data=data,
            service_id="bench-service", correlation_id=str(uuid7()), version=1,
        )  # fmt: skip
        url, prefix = conf.broker_url(), conf.variable("BUS_PREFIX") or ""
        count = self._scaled(MESSAGES)
        return {
            "pyamqp_pipelined_per_s": round(ceilings.pyamqp_pipelined(url, prefix, body, count)),
            "kombu_confirm_per_s": round(ceilings.kombu_confirm(url, prefix, body, count // 8)),
            "celery_noop_per_s": round(
                ceilings.celery_noop(url, prefix, self.folder, max(5000, count // 2), CONCURRENCY)
            ),
        }

    def relay(self) -> Figures:
        count = self._scaled(MESSAGES)
        self._publish(count)
        pending = Outbox.objects.filter(status="pending")
        with Process(self.folder / "relay.log", ("-m", "bench.bus.relaying"), {}) as process:
            process.wait_until_ready()
            # The relay may already publish its first batch; the measurement starts here.
            cpu_s, begun, before = process.cpu_s(), time.perf_counter(), pending.count()
            until(lambda: not pending.exists(), timeout_s=MARGIN_S)
            took_s, cpu_s = time.perf_counter() - begun, process.cpu_s() - cpu_s
        self._settle()
        return {"relay_per_s": round(before / took_s), "relay_per_cpu_s": round(before / cpu_s)}

    def handlers(self) -> Figures:
        """Measure a whole worker with deliveries that are already in the inbox."""

        self._stock_inbox(self._scaled(RUNS))
        servers.vacuum()
        undone = Delivery.objects.filter(status__in=["pending", "running"])
        with self.worker() as process:
            begun, before, cpu_s = time.perf_counter(), undone.count(), process.cpu_s()
            until(lambda: not undone.exists(), timeout_s=MARGIN_S)
            took_s, cpu_s = time.perf_counter() - begun, process.cpu_s() - cpu_s
        return {
            "handler_runs_per_s": round(before / took_s),
            "handler_runs_per_cpu_s": round(before / cpu_s),
        }

    def latency(self) -> Figures:
        with self.worker():
            waits, intended = self._open_loop(LATENCY_PER_S, self.seconds)
        return {
            "latency_p50_ms": percentile(waits, 0.5),
            "latency_p99_ms": percentile(waits, 0.99),
            "latency_intended_p99_ms": percentile(intended, 0.99),
        }

    def backlog(self) -> Figures:
        with self.worker():
            alone, _ = self._open_loop(NEW_PER_S, self.seconds)
        count = self._scaled(BACKLOG)
        last = self._publish(count)
        servers.vacuum()

        handled = Booking.objects.filter(number__gt=last - count, number__lte=last)
        with self.worker():
            begun, since = time.perf_counter(), time.time()
            took_s = 0.0

            def watch() -> None:
                nonlocal took_s
                until(lambda: handled.count() >= count, timeout_s=MARGIN_S * 4)
                took_s = time.perf_counter() - begun
                loop.stop()

            loop = OpenLoop(self._numbers(int(MARGIN_S * 4 * NEW_PER_S)), NEW_PER_S)
            watcher = threading.Thread(target=watch)
            watcher.start()
            loop.run(MARGIN_S * 4)
            watcher.join()
            beside, _ = self._waits(loop)
            self._legs(since)
        return {
            "backlog_drain_per_s": round(count / took_s),
            "backlog_p99_alone_ms": percentile(alone, 0.99),
            "backlog_p99_ms": percentile(beside, 0.99),
            "backlog_p99_ratio": round(percentile(beside, 0.99) / percentile(alone, 0.99), 2),
        }

    def worker(self) -> Process:
        """Start one worker in its shipped form and wait until it is ready."""
        process = Process(self.folder / "worker.log", WORKER, {})
        process.wait_until_ready()
        return process

    def _open_loop(self, per_s: float, seconds: float) -> tuple[list[float], list[float]]:
        # The warm-up opens connections and imports code before the measurement.
        warm_up = OpenLoop(self._numbers(int(per_s * 3)), per_s)
        warm_up.run(3)
        self._waits(warm_up)
        loop = OpenLoop(self._numbers(int(per_s * seconds)), per_s)
        begun = time.time()
        loop.run(seconds)
        waits = self._waits(loop)
        self._legs(begun)
        return waits

    def _waits(self, loop: OpenLoop) -> tuple[list[float], list[float]]:
        """Return the milliseconds from commit to the handler's end, and from the intended time to it."""
        self.expected |= loop.committed.keys()
        times = self.folder / "times"
        wanted = loop.committed.keys()
        ends: dict[int, int] = {}

        def all_there() -> bool:
            lines = times.read_text().splitlines() if times.exists() else []
            ends.update((int(number), int(at)) for number, at in (line.split() for line in lines))
            return wanted <= ends.keys()

        until(all_there, timeout_s=MARGIN_S)
        waits = [(ends[number] - committed) / 1e6 for number, (_, committed) in loop.committed.items()]
        intended = [(ends[number] - due) / 1e6 for number, (due, _) in loop.committed.items()]
        return waits, intended

    def _legs(self, since: float) -> None:
        """Print p50 and p99 of each leg of a timed message in milliseconds, by the database's clock."""
        with connection.cursor() as cursor:
            cursor.execute(LEGS, {"since": since})
            waiting, taking, queueing, running = zip(*cursor.fetchall(), strict=True)
        legs = {"to broker": waiting, "to inbox": taking, "to handler": queueing, "in handler": running}
        print({name: (percentile(leg, 0.5), percentile(leg, 0.99)) for name, leg in legs.items()}, flush=True)

    def _publish(self, count: int) -> int:
        """Publish a backlog. Returns the number of its last event."""
        first = self._numbers(count)
        load.backlog(first, count)
        self.expected |= set(range(first, first + count))
        return first + count - 1

    def _stock_inbox(self, count: int) -> None:
        """Create a backlog of received events that no handler has run for."""
        first = self._numbers(count)
        for start in range(first, first + count, 500):
            bodies = [
                envelope.build(
                    kind="event", name=Booked.type, message_id=uuid7(),
                    data=wire.to_payload(Booked(number, False, FILLER)),
                    service_id="bench-service", correlation_id=str(uuid7()), version=1,
                )
                for number in range(start, min(start + 500, first + count))
            ]  # fmt: skip
            inbox.store([envelope.parse(body.encode(), {}, {}) for body in bodies])
        Delivery.objects.filter(status="pending").update(hint_at=Now())
        self.expected |= set(range(first, first + count))

    def _settle(self) -> None:
        with self.worker():
            until(lambda: Booking.objects.count() >= len(self.expected), timeout_s=MARGIN_S * 2)

    def _wrong(self) -> Figures:
        """Compare the effects with the committed events."""
        numbers = list(Booking.objects.values_list("number", flat=True))
        total = Account.objects.aggregate(total=Sum("total"))["total"] or 0
        return {
            "lost": len(self.expected - set(numbers)),
            "doubled": len(numbers) - len(set(numbers)) + abs(total - len(numbers)),
            "effects": len(numbers),
        }

    def _numbers(self, count: int) -> int:
        """Reserve ``count`` numbers. Returns the first."""
        first = self.next_number
        self.next_number += count
        return first

    def _scaled(self, count: int) -> int:
        return int(count * self.scale)


def percentile(waits: Sequence[float], share: float) -> float:
    ordered = sorted(waits)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)
