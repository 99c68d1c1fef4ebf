"""The broker in memory as a transport: ingest and relay run on it inside one process."""

from collections.abc import Sequence
from typing import Any, ClassVar

from kombu import Connection

from atoll.bus.broker.consumer import Consumer
from atoll.bus.broker.messages import Arrival
from atoll.bus.broker.publisher import Publisher
from atoll.bus.broker.transport import Capabilities, Transport
from atoll.bus.handlers import known
from atoll.testing.broker import ConnectionLost, MemoryBroker, MemoryConsumer


class MemoryTransport(Transport):
    """One broker for each URL (``memory://any-name``); it lasts as long as the process.

    Hints and Celery use kombu's own transport in memory.
    """

    capabilities = Capabilities(is_durable=False)
    brokers: ClassVar[dict[str, MemoryBroker]] = {}

    @property
    def broker(self) -> MemoryBroker:
        return self.brokers.setdefault(self.url, MemoryBroker())

    def connect(self, purpose: str) -> Connection:
        return Connection("memory://")

    def hint_connection(self) -> Connection:
        return self.connect("hints")

    @property
    def transient_errors(self) -> tuple[type[BaseException], ...]:
        return (*super().transient_errors, ConnectionLost)

    def open_publisher(self) -> Publisher:
        return self.broker.publisher(self.names.service)

    def consumer(self) -> Consumer:
        return BoundedConsumer(self.broker, self.names.service)

    def celery_settings(self) -> dict[str, Any]:
        return {"broker_url": "memory://", "broker_transport": "memory", "broker_transport_options": {}}

    @classmethod
    def celery_problems(cls, settings: Any) -> list[str]:
        return []


class BoundedConsumer(Consumer):
    """A ``MemoryConsumer`` that waits for messages and holds at most its prefetch."""

    def __init__(self, broker: MemoryBroker, service: str) -> None:
        self._broker = broker
        self._service = service
        self._prefetch = 0
        self._consumer: MemoryConsumer | None = None

    def open(self) -> None: ...

    def start(self, prefetch: int) -> Sequence[str]:
        self._prefetch = prefetch
        self.restore()
        self._consumer = self._broker.consumer(self._service)
        return [f"evt.{self._service}", f"cmd.{self._service}"]

    def take(self, limit: int, timeout_s: float) -> list[Arrival]:
        if self._consumer is None:
            return []
        room = min(limit, self._prefetch - len(self._consumer.held))
        return self._consumer.take(room) or (self._broker.wait(timeout_s) and self._consumer.take(room)) or []

    def in_hand(self) -> list[Arrival]:
        return self._consumer.held if self._consumer else []

    def acknowledge(self) -> None:
        if self._consumer:
            self._consumer.acknowledge()

    def restore(self) -> None:
        self._broker.declare(self._service, known.roster().patterns())

    def keep_alive(self) -> None: ...

    def close(self) -> None:
        if self._consumer:
            self._consumer.close()
