"""A broker in memory, with the part of AMQP 0-9-1 that the bus uses.

For tests without a server: two durable exchanges, queues with bindings, competing consumers,
acknowledgements. It passes ``atoll.testing.conformance``, like RabbitMQ.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Literal

from atoll.bus.broker.messages import Arrival, Outgoing
from atoll.bus.broker.publisher import UNROUTABLE, Outcome, Publisher, properties
from atoll.bus.handlers.registry import Kind
from atoll.bus.topic_match import matches

Exchange = Literal["events", "commands"]
EXCHANGES: dict[str, Exchange] = {"event": "events", "command": "commands"}


class ConnectionLost(ConnectionError):
    """The connection to the broker in memory was cut."""


@dataclass(frozen=True)
class Copy:
    """One message in one queue; ``number`` is its place in the order of publishing."""

    number: int
    arrival: Arrival
    redelivered: bool = False


@dataclass
class MemoryQueue:
    """The waiting messages, in order, and those that consumers hold."""

    name: str
    bindings: set[tuple[Exchange, str]] = field(default_factory=set)
    waiting: deque[Copy] = field(default_factory=deque)

    def takes(self, exchange: Exchange, routing_key: str) -> bool:
        return any(
            exchange == bound and (matches(key, routing_key) if exchange == "events" else key == routing_key)
            for bound, key in self.bindings
        )


class MemoryBroker:
    """Exchanges, queues and bindings. Several threads may use it.

    A queue gets ``copies`` of each message: more than one tests how receivers treat duplicates.
    """

    def __init__(self, *, copies: int = 1) -> None:
        self.copies = copies
        self.queues: dict[str, MemoryQueue] = {}
        self._numbers = count(1)
        self._lock = threading.RLock()
        self._published = threading.Condition(self._lock)

    def declare(self, service: str, event_patterns: Iterable[str] = ()) -> None:
        """Declare and bind the two queues of a service, as its worker does. Can be repeated."""
        with self._lock:
            events, commands = self._queue(f"evt.{service}"), self._queue(f"cmd.{service}")
            events.bindings |= {("events", pattern) for pattern in event_patterns}
            commands.bindings.add(("commands", service))

    def delete(self, service: str) -> None:
        """Delete the queues of a service with their messages."""
        with self._lock:
            for name in (f"evt.{service}", f"cmd.{service}"):
                self.queues.pop(name, None)

    def routes(self, kind: Kind, routing_key: str) -> bool:
        """Whether the message has a queue."""
        with self._lock:
            return any(queue.takes(EXCHANGES[kind], routing_key) for queue in self.queues.values())

    def publish(
        self,
        kind: Kind,
        routing_key: str,
        body: bytes,
        *,
        properties: dict[str, Any] | None = None,
        headers: dict[str, Any] | None = None,
        mandatory: bool = False,
    ) -> bool:
        """Put copies into every bound queue. Returns False for a mandatory message without a queue."""
        with self._lock:
            takers = [queue for queue in self.queues.values() if queue.takes(EXCHANGES[kind], routing_key)]
            for queue in takers:
                arrival = Arrival(queue.name, routing_key, body, dict(properties or {}), dict(headers or {}))
                for _ in range(self.copies):
                    queue.waiting.append(Copy(next(self._numbers), arrival))
            self._published.notify_all()
        return bool(takers) or not mandatory

    def wait(self, timeout_s: float) -> bool:
        """Until a message is published; False when none is within the time."""
        with self._lock:
            return self._published.wait(timeout_s)

    def disturb(self, service: str, by: Callable[[deque[Copy]], None]) -> None:
        """Let ``by`` change the waiting messages of the service's queues."""
        with self._lock:
            for name in (f"evt.{service}", f"cmd.{service}"):
                by(self.queues[name].waiting)

    def publisher(self, service: str) -> "MemoryPublisher":
        return MemoryPublisher(self, service)

    def consumer(self, service: str) -> "MemoryConsumer":
        """Add a consumer of a service's queues. Raises LookupError before they are declared."""
        missing = {f"evt.{service}", f"cmd.{service}"} - self.queues.keys()
        if missing:
            raise LookupError(f"No queue {', '.join(sorted(missing))}: declare({service!r}) comes first.")
        return MemoryConsumer(self, [self.queues[f"evt.{service}"], self.queues[f"cmd.{service}"]])

    def _queue(self, name: str) -> MemoryQueue:
        return self.queues.setdefault(name, MemoryQueue(name))


class MemoryPublisher(Publisher):
    """The relay's end of the broker in memory."""

    def __init__(self, broker: MemoryBroker, service: str) -> None:
        self._broker = broker
        self._service = service
        self.connected = True

    def publish(self, rows: Sequence[Outgoing]) -> Outcome:
        outcome = Outcome()
        for row in rows:
            if not self.connected:
                outcome.error = ConnectionLost("The connection was cut.")
                break
            self._publish(row, outcome)
        return outcome

    def _publish(self, row: Outgoing, outcome: Outcome) -> None:
        attributes = properties(row, self._service)
        headers = attributes.pop("application_headers")
        kind: Kind = "command" if row.kind == "command" else "event"
        if self._broker.publish(
            kind,
            row.destination,
            row.body.encode(),
            properties=attributes,
            headers=headers,
            mandatory=kind == "command",
        ):
            outcome.published.append(row.id)
        else:
            outcome.refused[row.id] = UNROUTABLE.format(row.destination)

    def close(self) -> None:
        self.connected = False


class MemoryConsumer:
    """Takes messages in order and holds them until they are acknowledged."""

    def __init__(self, broker: MemoryBroker, queues: Sequence[MemoryQueue]) -> None:
        self._broker = broker
        self._queues = queues
        self._held: list[tuple[MemoryQueue, Copy]] = []

    @property
    def held(self) -> list[Arrival]:
        """All that was taken and is not acknowledged."""
        return [copy.arrival for _, copy in self._held]

    def take(self, limit: int) -> list[Arrival]:
        """Take up to ``limit`` messages, events before commands; [] when no message waits."""
        taken: list[tuple[MemoryQueue, Copy]] = []
        with self._broker._lock:
            for queue in self._queues:
                while queue.waiting and len(taken) < limit:
                    taken.append((queue, queue.waiting.popleft()))
        self._held += taken
        return [
            replace(copy.arrival, is_redelivered=True) if copy.redelivered else copy.arrival
            for _, copy in taken
        ]

    def acknowledge(self) -> None:
        """Acknowledge all taken messages: they do not come back."""
        self._held.clear()

    def close(self) -> None:
        """Return unacknowledged messages to their places in the queues."""
        with self._broker._lock:
            for queue in self._queues:
                back = [Copy(c.number, c.arrival, redelivered=True) for q, c in self._held if q is queue]
                if back:
                    queue.waiting = deque(sorted([*back, *queue.waiting], key=lambda copy: copy.number))
        self._held.clear()
