"""The bus in one process: outbox, relay, broker, inbox, handlers.

Only the broker is replaced (``atoll.testing.broker``). The relay's step, receiving, the ledger and the
handlers are those of production, on the test's real PostgreSQL, in the test's transaction or with
real commits.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Max, Min, Q

from atoll import conf, wire
from atoll.bus.broker.messages import Arrival
from atoll.bus.delivery import executor
from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery.fast_path import FastPath
from atoll.bus.handlers import known, registry
from atoll.bus.inbox import receiving
from atoll.bus.models import Delivery, Inbox, Outbox
from atoll.bus.outbox import relay
from atoll.ids import uuid7
from atoll.testing.broker import ConnectionLost, MemoryBroker
from atoll.testing.clock import DatabaseClock
from atoll.testing.faults import RandomFailures
from atoll.testing.records import Records

BATCH = 100
# More handler runs than this in one call mean that handlers feed each other.
MAX_RUNS = 1000
OPEN = (Delivery.Status.PENDING, Delivery.Status.RUNNING)
SETTLED = (Delivery.Status.DONE, Delivery.Status.IGNORED)

Answer = TypeVar("Answer")


class Bus(Records):
    """The bus of the service under test.

    ``published``, ``sent``, ``handled``, ``dead`` and ``failed`` read; ``deliver``, ``settle``,
    ``advance`` and ``wait_for`` act. Every message comes twice and every handler runs
    twice, unless ``repeats`` is set to False: every handler must survive that. With
    ``is_fast``, handlers run in the transaction that stores their messages, where they can.
    """

    def __init__(self) -> None:
        super().__init__()
        self._broker = MemoryBroker(copies=2)
        self.clock = DatabaseClock()
        self.repeats = True
        self.is_fast = False
        self._fast_path = FastPath(first=0)
        self.max_runs = MAX_RUNS
        self._repeated: set[str] = set()
        self._sequences: Counter[tuple[str, str]] = Counter()

    @property
    def broker(self) -> MemoryBroker:
        """The broker in memory, with the queues of this service and of its neighbours in projects.toml."""
        self._declare()
        return self._broker

    def deliver(
        self,
        name: str,
        data: dict[str, Any],
        *,
        times: int = 2,
        message_id: str | None = None,
        correlation_id: str | None = None,
        service_id: str = "test-service",
        version: int = 1,
        key: str | None = None,
    ) -> list[Delivery]:
        """Hand this service an event or a command. Returns its delivery rows.

        A name that the service handles as a command is delivered as one. By
        default the handlers run twice, each time for a message with its own id,
        because every handler must survive that. With ``message_id`` the copies
        are one message, and the inbox drops all but the first. ``version`` is that
        of the data. With ``key`` the messages of a key are numbered in the order of
        the calls, as a publisher does, and ordered handlers take them in this order.
        A handler that fails leaves its error in the row and does not raise here;
        the test fails at its end, unless it expects that with ``failed``.
        """
        kind: registry.Kind = "command" if registry.command_handler(name) else "event"
        if not registry.handlers_for(kind, name):
            raise LookupError(f"Nothing in this service handles {name!r}.")
        found: list[UUID] = []
        with self._ready():
            headers: dict[str, str] = {}
            for copy in range(times):
                if key is not None and (copy == 0 or message_id is None):
                    headers = self._next_of(service_id, key)
                body = wire.dumps(
                    {
                        "id": message_id or str(uuid7()),
                        "eventType" if kind == "event" else "command": name,
                        "data": data,
                        "serviceId": service_id,
                        "correlationId": correlation_id or str(uuid7()),
                        "version": version,
                    }
                )
                found.extend(self.receive([Arrival("test", name, body, {}, headers)]))
                for delivery_id in found:
                    self._execute(delivery_id)
        rows = Delivery.objects.in_bulk(found)
        self._repeated |= {rows[delivery_id].message.message_id for delivery_id in found}
        return [rows[delivery_id] for delivery_id in found]

    def _next_of(self, service_id: str, key: str) -> dict[str, str]:
        """The headers of a publisher for the next message of a key."""
        self._sequences[service_id, key] += 1
        return {"x-atoll-key": key, "x-atoll-seq": str(self._sequences[service_id, key])}

    def settle(self, until: timedelta | datetime | None = None) -> int:
        """Run relay, broker, ingest and handlers until nothing is due. Returns the number of attempts.

        With ``until``, a moment or a span from now, time passes: timers, retries
        and delays fire in order, each at its due time, and nothing sleeps. Later ones
        stay. Raises AssertionError when handlers feed each other without end.
        """
        runs: Counter[str] = Counter()
        with self._ready():
            self._run_until_idle(runs)
            if until is not None:
                end = self.now() + until if isinstance(until, timedelta) else until
                while (moment := self._next_due()) is not None and moment <= end:
                    self.clock.set(moment)
                    self._run_until_idle(runs)
                self.clock.set(max(end, self.now()))
        return runs.total()

    def advance(self, by: timedelta) -> int:
        """Let time pass and run all that becomes due. Returns the number of attempts."""
        return self.settle(until=by)

    def wait_for(self, condition: Callable[[], Answer], within: timedelta = timedelta(0)) -> Answer:
        """Settle, then let time pass until the condition is true. Returns its value.

        ``bus.wait_for(lambda: bus.published("order.cancelled"), within=timedelta(hours=1))``
        raises AssertionError with the summary when that does not happen.
        """
        runs: Counter[str] = Counter()
        with self._ready():
            self._run_until_idle(runs)
            end = self.now() + within
            while not (answer := condition()):
                moment = self._next_due()
                if moment is None or moment > end:
                    raise AssertionError(f"It did not happen within {within}.\n{self.summary()}")
                self.clock.set(moment)
                self._run_until_idle(runs)
        return answer

    def now(self) -> datetime:
        """The bus's time: the database's clock, real until the test has let time pass."""
        return self.clock.now()

    def run_due(self, now: datetime | None = None) -> int:
        """Fire every timer and retry that is due, now or at the given time. Returns the number of attempts.

        Unlike ``settle`` it moves no message to the broker or from it.
        """
        attempts = 0
        with self._ready():
            for _ in range(MAX_RUNS):
                due = deliveries.sweep(BATCH, now)
                if not due:
                    return attempts
                attempts += sum(self._execute(delivery_id, now) for delivery_id in due)
        raise AssertionError(f"Still not settled after {MAX_RUNS} rounds: handlers keep feeding each other.")

    def fail_randomly(self, seed: int | None = None, rate: float = 0.2) -> RandomFailures:
        """From here on each step fails with probability ``rate``.

        The seed is printed; ATOLL_TEST_SEED gives the same failures again. ``settle``
        lets the seconds pass after which refused messages are sent again.
        """
        self.failures = RandomFailures(seed, rate)
        return self.failures

    def close(self) -> None:
        """Return to real time. The rollback of the test's transaction undoes the rest."""
        if not connection.in_atomic_block:
            self.clock.reset()

    @contextmanager
    def _ready(self) -> Iterator[None]:
        self.clock.apply()
        self._declare()
        with self.failures.handlers() if self.failures else nullcontext():
            yield

    def _declare(self) -> None:
        """Declare this service's queues like its worker, and those of its neighbours, as if they ran."""
        self._broker.declare(conf.service_name(), known.roster().patterns())
        for project in conf.projects().values():
            if project.worker:
                self._broker.declare(project.service)

    def _run_until_idle(self, runs: "Counter[str]") -> None:
        for _ in range(self.max_runs + 1):
            if self._relay() + self._ingest() + self._run(runs):
                continue
            moment = self._refused_by_chance_until()
            if moment is None:
                return
            self.clock.set(moment)
        raise AssertionError(f"Not settled after {self.max_runs} rounds.\n{self.summary()}")

    def _relay(self) -> int:
        moved = 0
        while True:
            try:
                claimed = relay.step(self._publisher())
            except ConnectionLost:
                moved += 1
                continue
            if not claimed:
                return moved
            moved += claimed

    def _publisher(self) -> Any:
        if self.failures:
            return self.failures.publisher(self._broker, conf.service_name())
        return self._broker.publisher(conf.service_name())

    def _ingest(self) -> int:
        moved = 0
        consumer = self._broker.consumer(conf.service_name())
        try:
            while True:
                if self.failures:
                    self._broker.disturb(conf.service_name(), self.failures.disturb)
                arrivals = consumer.take(BATCH)
                if not arrivals:
                    return moved
                received = self.receive(arrivals)
                consumer.acknowledge()
                moved += len(arrivals)
                self._repeat_settled(received)
        finally:
            consumer.close()

    def receive(self, arrivals: Sequence[Arrival]) -> list[UUID]:
        """Store messages as ingest does. Returns all new deliveries, also the ones that ran at once."""
        newest = Inbox.objects.aggregate(id=Max("id"))["id"] or 0
        receiving.receive(arrivals, self._fast_path if self.is_fast else None)
        self._drop_timeouts()
        new = Delivery.objects.filter(message_id__gt=newest).order_by("message_id", "id")
        return list(new.values_list("id", flat=True))

    def _repeat_settled(self, delivery_ids: Sequence[UUID]) -> None:
        if self.repeats:
            for row in Delivery.objects.filter(id__in=delivery_ids, status__in=SETTLED):
                self._repeat(row.message, row.id)

    def _run(self, runs: "Counter[str]") -> int:
        """Run due deliveries in the order of their times."""
        attempts = 0
        due = Delivery.objects.filter(status__in=OPEN, next_attempt_at__lte=self.now())
        for row in due.select_related("message").order_by("next_attempt_at", "message_id", "id"):
            made = self._execute(row.id)
            attempts += made
            runs[row.message.name] += made
            if runs.total() > self.max_runs:
                names = ", ".join(f"{name} {times} times" for name, times in runs.most_common(5))
                raise AssertionError(
                    f"Not settled after {self.max_runs} handler runs, which keep feeding each other: {names}."
                )
            if made and self.repeats:
                self._repeat(row.message, row.id)
        return attempts

    def _execute(self, delivery_id: UUID, now: datetime | None = None) -> int:
        attempts = executor.execute(delivery_id, now)
        if attempts:
            self._drop_timeouts()
        return attempts

    def _drop_timeouts(self) -> None:
        """The handler's time-outs end with its transaction, and in a test the transaction goes on."""
        if connection.in_atomic_block:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SET LOCAL statement_timeout TO DEFAULT; SET LOCAL lock_timeout TO DEFAULT;"
                    "SET LOCAL idle_in_transaction_session_timeout TO DEFAULT"
                )

    def _repeat(self, message: Inbox, delivery_id: UUID) -> None:
        """Publish the message that was just handled again, under an id of its own."""
        if message.message_id in self._repeated or message.message_id in self._repetitions:
            return
        if not Delivery.objects.filter(id=delivery_id, status__in=SETTLED).exists():
            return
        if message.deliveries.exclude(lane="").exists():
            # A later message of its key would have been handled before it arrives.
            return
        self._repeated.add(message.message_id)
        repetition = str(uuid7())
        self._repetitions.add(repetition)
        document = wire.loads(message.body.encode()) | {"id": repetition, "serviceId": message.service_id}
        self.receive([Arrival("repetition", message.name, wire.dumps(document), {}, {})])

    def _next_due(self) -> datetime | None:
        now = self.now()
        later = Q(next_attempt_at__gt=now)
        moments = [Delivery.objects.filter(later, status__in=OPEN).aggregate(at=Min("next_attempt_at"))["at"]]
        for row in Outbox.objects.filter(later, status=Outbox.Status.PENDING):
            # A message without a receiver would be retried every half minute, for ever.
            if row.kind == "event" or self._broker.routes("command", row.destination):
                moments.append(row.next_attempt_at)
        return min((moment for moment in moments if moment is not None), default=None)

    def _refused_by_chance_until(self) -> datetime | None:
        if not self.failures:
            return None
        waiting = Outbox.objects.filter(
            id__in=self.failures.refused, status=Outbox.Status.PENDING, next_attempt_at__gt=self.now()
        )
        moment: datetime | None = waiting.aggregate(at=Min("next_attempt_at"))["at"]
        return moment
