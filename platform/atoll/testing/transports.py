"""How ``atoll.testing.conformance`` reaches a transport of the bus, and does to it what it must survive."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any
from unittest import mock

import pytest
from django.test import override_settings

from atoll.bus.broker import transports
from atoll.bus.broker.consumer import Consumer
from atoll.bus.broker.messages import Arrival, Outgoing
from atoll.bus.broker.publisher import Outcome, Publisher
from atoll.bus.broker.transport import Capabilities, Transport
from atoll.bus.handlers import known
from atoll.bus.handlers.registry import Kind
from atoll.ids import uuid7
from atoll.testing.broker import MemoryBroker
from atoll.testing.memory_transport import MemoryTransport

__all__ = ["CutInMidBatch", "MemoryUnderTest", "PatientConsumer", "TransportUnderTest"]

TAKE_TIMEOUT_S = 10.0


class PatientConsumer:
    """A transport's own ``Consumer`` that waits until as many messages came as were asked for."""

    def __init__(self, consumer: Consumer, prefetch: int) -> None:
        self.consumer = consumer
        self.is_open = True
        consumer.open()
        consumer.start(prefetch)

    def take(self, limit: int, timeout_s: float = TAKE_TIMEOUT_S) -> list[Arrival]:
        """The next messages; fewer than ``limit`` when no more came within the time."""
        deadline = time.monotonic() + timeout_s
        taken = self.consumer.take(limit, timeout_s)
        while len(taken) < limit and (left_s := deadline - time.monotonic()) > 0:
            taken += self.consumer.take(limit - len(taken), left_s)
        return taken

    def acknowledge(self) -> None:
        self.consumer.acknowledge()

    def close(self) -> None:
        """As a process that ends in order."""
        self.is_open = False
        self.consumer.close()


class TransportUnderTest(ABC):
    """A transport of the bus, chosen by its URL and empty at first, under names of its own."""

    # Seconds without a message after which nothing more is on its way.
    silence_s = 0.15

    def __init__(self, url: str, *, queue_type: str = "classic") -> None:
        self._environment = pytest.MonkeyPatch()
        self._environment.setenv("RABBITMQ_URL", url)
        self._environment.setenv("BUS_PREFIX", f"test-{uuid7().hex[-12:]}.")
        self._environment.setenv("BUS_QUEUE_TYPE", queue_type)
        self.patterns: dict[str, set[str]] = {}
        self.publishers: list[Publisher] = []
        self.consumers: list[PatientConsumer] = []

    @property
    def capabilities(self) -> Capabilities:
        return self.of_service().capabilities

    def of_service(self, service: str | None = None) -> Transport:
        if service is None:
            return transports.current()
        with override_settings(ATOLL_SERVICE=service):
            return transports.current()

    def publisher(self) -> Publisher:
        """A new connection of this service's relay."""
        self.publishers.append(transports.open_publisher())
        return self.publishers[-1]

    def consumer(self, service: str, *, prefetch: int = 200) -> PatientConsumer:
        """A new connection of a service's ingest, with the handlers that ``declare`` was told of."""
        with self.listening(service):
            self.consumers.append(PatientConsumer(self.of_service(service).consumer(), prefetch))
        return self.consumers[-1]

    def listening(self, service: str) -> Any:
        """Inside, the running service handles what ``service`` was declared with."""
        return mock.patch.object(known.Roster, "patterns", return_value=self.patterns[service])

    def declare(self, service: str, *event_patterns: str) -> None:
        """The service's queues, as its worker declares them at its start."""
        self.patterns[service] = set(event_patterns)
        with self.listening(service):
            self.make_queues(self.of_service(service))

    @abstractmethod
    def make_queues(self, transport: Transport) -> None:
        """Declare and bind the two queues."""

    @abstractmethod
    def inject(
        self, kind: Kind, routing_key: str, body: bytes, headers: dict[str, Any] | None = None
    ) -> None:
        """Any bytes, as a client that knows nothing of us would publish them."""

    @abstractmethod
    def kill(self, consumer: PatientConsumer) -> None:
        """As a process that is killed: no farewell, nothing acknowledged."""

    @abstractmethod
    def cut(self) -> None:
        """Break every connection and allow no new one until ``mend``."""

    @abstractmethod
    def mend(self) -> None: ...

    def close(self) -> None:
        """Leave nothing behind."""
        self._environment.undo()


class MemoryUnderTest(TransportUnderTest):
    """``MemoryTransport``, under a scheme that only tests know."""

    silence_s = 0.0

    def __init__(self) -> None:
        super().__init__(f"memory://{uuid7()}")
        path = f"{MemoryTransport.__module__}.{MemoryTransport.__name__}"
        self._environment.setitem(transports.TRANSPORTS, ("memory",), path)

    @property
    def broker(self) -> MemoryBroker:
        transport = self.of_service()
        assert isinstance(transport, MemoryTransport)
        return transport.broker

    def make_queues(self, transport: Transport) -> None:
        self.broker.declare(transport.names.service, known.roster().patterns())

    def inject(
        self, kind: Kind, routing_key: str, body: bytes, headers: dict[str, Any] | None = None
    ) -> None:
        self.broker.publish(kind, routing_key, body, headers=headers)

    def kill(self, consumer: PatientConsumer) -> None:
        consumer.close()

    def cut(self) -> None:
        for publisher in self.publishers:
            publisher.close()
        for consumer in self.consumers:
            self.kill(consumer)

    def mend(self) -> None: ...

    def close(self) -> None:
        MemoryTransport.brokers.clear()
        super().close()


class CutInMidBatch(Publisher):
    """A relay's publisher whose connections break after it was given ``after`` rows of a batch."""

    def __init__(self, inner: Publisher, transport: TransportUnderTest, after: int) -> None:
        self._inner = inner
        self._transport = transport
        self._after = after

    def publish(self, rows: Sequence[Outgoing]) -> Outcome:
        return self._inner.publish(_Rows(rows, self._transport, self._after))

    def prepare(self) -> None:
        self._inner.prepare()

    def close(self) -> None:
        self._inner.close()


class _Rows(list[Outgoing]):
    def __init__(self, rows: Sequence[Outgoing], transport: TransportUnderTest, after: int) -> None:
        super().__init__(rows)
        self._transport = transport
        self._after = after

    def __iter__(self) -> Any:
        for number, row in enumerate(super().__iter__()):
            if number == self._after:
                self._transport.cut()
            yield row
