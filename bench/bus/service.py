"""The service under load: its database, its queues, its processes, and its effects."""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.db.models import Sum

from atoll import conf
from bench.bus import ceilings, load
from bench.bus.load import FILLER, OpenLoop
from bench.bus.processes import Process, until
from bench.bus.project.models import ACCOUNTS, Account, Booking
from bench.postgres import Server

WORKER = ("-m", "django", "worker")
WARM_UP_S = 3.0
MARGIN_S = 300
EVENT = "bench.booked"

Figures = dict[str, float | None]


class Service:
    """One service with its own database and queues. It knows the events that must have had an effect."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.server = server
        self.expected: set[int] = set()
        self._next_number = 0

    def prepare(self) -> None:
        """Create the database with the service's tables, and the queues at the broker."""
        database = conf.project("bench").database
        self.server.rows("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        self.server.rows("postgres", f"CREATE DATABASE {database}")
        call_command("migrate", run_syncdb=True, verbosity=0)
        Account.objects.bulk_create(Account() for _ in range(ACCOUNTS))
        with self.worker():
            pass

    def worker(self) -> Process:
        """Start one worker in its shipped form and wait until it is ready."""
        process = Process(self.folder / "worker.log", WORKER, {})
        process.wait_until_ready()
        return process

    def vacuum(self) -> None:
        """So that no measurement pays for the rows of the previous one."""
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")

    def publish(self, count: int) -> range:
        """Publish a backlog. Returns the numbers of its events."""
        numbers = self.numbers(count)
        load.backlog(numbers)
        self.expected |= set(numbers)
        return numbers

    def fill_queue(self, count: int) -> range:
        """Put a backlog into the service's queue, as any AMQP client may. Returns the events' numbers."""
        numbers = self.numbers(count)
        exchange = f"{conf.variable('BUS_PREFIX')}events"
        ceilings.pipelined(conf.broker_url(), exchange, EVENT, map(envelope, numbers))
        self.expected |= set(numbers)
        return numbers

    def handled(self, numbers: range) -> int:
        return Booking.objects.filter(number__gte=numbers.start, number__lt=numbers.stop).count()

    def wait_for(self, numbers: range) -> None:
        """Wait for the effects of these events."""
        until(lambda: self.handled(numbers) >= len(numbers), timeout_s=MARGIN_S * 4)

    def open_loop(self, per_s: float, seconds: float) -> tuple[list[float], list[float]]:
        """Returns the waits of ``waits``. A warm-up before it opens connections and imports code."""
        warm_up = OpenLoop(self.numbers(int(per_s * WARM_UP_S)), per_s)
        warm_up.run()
        self.waits(warm_up)
        loop = OpenLoop(self.numbers(int(per_s * seconds)), per_s)
        loop.run()
        return self.waits(loop)

    def waits(self, loop: OpenLoop) -> tuple[list[float], list[float]]:
        """The milliseconds from commit to the handler's end, and from the intended time to it."""
        self.expected |= loop.committed.keys()
        ends = ends_of(self.folder / "times", loop.committed.keys())
        waits = [(ends[number] - committed) / 1e6 for number, (_, committed) in loop.committed.items()]
        intended = [(ends[number] - due) / 1e6 for number, (due, _) in loop.committed.items()]
        return waits, intended

    def wrong(self) -> Figures:
        """Compare the effects with the events, after a worker had time to handle all of them."""
        with self.worker():
            until(lambda: Booking.objects.count() >= len(self.expected), timeout_s=MARGIN_S * 2)
        numbers = list(Booking.objects.values_list("number", flat=True))
        total = Account.objects.aggregate(total=Sum("total"))["total"] or 0
        return {
            "lost": len(self.expected - set(numbers)),
            "doubled": len(numbers) - len(set(numbers)) + abs(total - len(numbers)),
            "effects": len(numbers),
        }

    def numbers(self, count: int) -> range:
        """Reserve ``count`` numbers."""
        first = self._next_number
        self._next_number += count
        return range(first, first + count)


def envelope(number: int) -> str:
    """The body of an event by docs/messages.md."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"number": number, "isTimed": False, "filler": FILLER, "timestamp": now}
    body = {
        "id": str(uuid.uuid4()), "eventType": EVENT, "data": data, "timestamp": now,
        "serviceId": conf.project("bench").service, "correlationId": str(uuid.uuid4()), "version": 1,
    }  # fmt: skip
    return json.dumps(body)


def ends_of(times: Path, wanted: Sequence[int] | set[int]) -> dict[int, int]:
    """The times in a file of lines ``NUMBER NANOSECONDS``, once it has all of ``wanted``."""
    ends: dict[int, int] = {}
    missing = set(wanted)

    def are_there() -> bool:
        lines = times.read_text().splitlines() if times.exists() else []
        ends.update((int(number), int(at)) for number, at in map(str.split, lines))
        return missing <= ends.keys()

    until(are_there, timeout_s=MARGIN_S)
    return ends


def percentile(waits: Sequence[float], share: float) -> float:
    ordered = sorted(waits)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1)
