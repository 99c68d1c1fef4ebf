"""What ``atoll.testing.conformance`` asks of a transport, and the transports that there are."""

import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from unittest import mock
from urllib.parse import urlsplit

import kombu
import pytest
from django.test import override_settings

from atoll.bus.broker import topology
from atoll.bus.broker.topology import Topology
from atoll.bus.handlers import known
from atoll.bus.handlers.registry import Kind
from atoll.bus.inbox import ingest
from atoll.bus.inbox.quarantine import Arrival
from atoll.bus.outbox.publisher import Outcome, Publisher, open_publisher
from atoll.bus.outbox.store import Row
from atoll.ids import uuid7
from atoll.testing.broker import MemoryBroker, MemoryConsumer
from atoll.testing.proxy import Proxy

TAKE_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """Where transports differ, within what the bus can live with."""

    # False: a service that listens to a pattern is given every event, and its ledger's matcher picks.
    exact_matching: bool = True
    # What waits when a consumer starts may come in more than one copy; the inbox drops the rest.
    returns_copies: bool = False
    # What a dead consumer held reaches one that starts then at once, and one that ran already after this.
    redelivery_s: float = 0.0
    # Whether a publisher and a consumer notice a broken connection and need a new one.
    has_connections: bool = True
    # Messages that the broker confirmed survive the broker's own restart.
    is_durable: bool = True
    # Seconds without a message after which nothing more is on its way.
    silence_s: float = 0.15


class Consumer(ABC):
    """One consumer of a service's two queues."""

    @abstractmethod
    def take(self, limit: int, timeout_s: float = TAKE_TIMEOUT_S) -> list[Arrival]:
        """The next messages; fewer than ``limit`` when no more came within the time."""

    @abstractmethod
    def acknowledge(self) -> None:
        """All that was taken."""

    @abstractmethod
    def die(self) -> None:
        """As a process that is killed: no farewell, nothing acknowledged."""

    @abstractmethod
    def close(self) -> None:
        """As a process that ends in order; what was not acknowledged goes back."""


class Transport(ABC):
    """A way to carry messages, empty at first, under names of its own."""

    capabilities = Capabilities()

    @abstractmethod
    def declare(self, service: str, *event_patterns: str) -> None:
        """The service's queues, as its worker declares them at its start."""

    @abstractmethod
    def publisher(self) -> Publisher:
        """A new connection of this service's relay."""

    @abstractmethod
    def consumer(self, service: str, *, prefetch: int = 200) -> Consumer:
        """A new connection of a service's ingest."""

    @abstractmethod
    def inject(
        self, kind: Kind, routing_key: str, body: bytes, headers: dict[str, Any] | None = None
    ) -> None:
        """Any bytes, as a client that knows nothing of us would publish them."""

    @abstractmethod
    def cut(self) -> None:
        """Break every connection and allow no new one until ``mend``."""

    @abstractmethod
    def mend(self) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Leave nothing behind."""


class MemoryTransport(Transport):
    capabilities = Capabilities(is_durable=False, silence_s=0.0)

    def __init__(self) -> None:
        self._broker = MemoryBroker()
        self._publishers: list[Publisher] = []
        self._consumers: list[MemoryTransport.Consumer] = []

    class Consumer(Consumer):
        def __init__(self, consumer: MemoryConsumer) -> None:
            self._consumer = consumer

        def take(self, limit: int, timeout_s: float = TAKE_TIMEOUT_S) -> list[Arrival]:
            return self._consumer.take(limit)

        def acknowledge(self) -> None:
            self._consumer.acknowledge()

        def die(self) -> None:
            self._consumer.close()

        def close(self) -> None:
            self._consumer.close()

    def declare(self, service: str, *event_patterns: str) -> None:
        self._broker.declare(service, event_patterns)

    def publisher(self) -> Publisher:
        self._publishers.append(self._broker.publisher("library-service"))
        return self._publishers[-1]

    def consumer(self, service: str, *, prefetch: int = 200) -> Consumer:
        self._consumers.append(self.Consumer(self._broker.consumer(service)))
        return self._consumers[-1]

    def inject(
        self, kind: Kind, routing_key: str, body: bytes, headers: dict[str, Any] | None = None
    ) -> None:
        self._broker.publish(kind, routing_key, body, headers=headers)

    def cut(self) -> None:
        for publisher in self._publishers:
            publisher.close()
        for consumer in self._consumers:
            consumer.die()

    def mend(self) -> None: ...

    def close(self) -> None:
        self._broker.queues.clear()


class KombuTransport(Transport):
    """A broker that kombu speaks to, through a proxy that can be cut; RabbitMQ or Redis."""

    def __init__(self, url: str, *, queue_type: str = "classic") -> None:
        self._is_amqp = not topology.is_redis(url)
        if not self._is_amqp:
            self.capabilities = Capabilities(
                exact_matching=False,
                returns_copies=True,
                redelivery_s=topology.VISIBILITY_TIMEOUT_S + ingest.PUT_BACK_EVERY_S,
                # It has what was written to the disk; of the last second before a crash, nothing.
                is_durable=False,
            )
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port or (5672 if self._is_amqp else 6379)
        self._proxy = Proxy(host, port)
        account, at, _ = parts.netloc.rpartition("@")
        address = parts._replace(netloc=f"{account}{at}127.0.0.1:{self._proxy.port}").geturl()
        self._environment = pytest.MonkeyPatch()
        self._environment.setenv("RABBITMQ_URL", address)
        self._environment.setenv("BUS_PREFIX", f"test-{uuid7().hex[-12:]}.")
        self._environment.setenv("BUS_QUEUE_TYPE", queue_type)
        self._patterns: dict[str, tuple[str, ...]] = {}
        self._consumers: list[KombuConsumer] = []
        self._publishers: list[Publisher] = []

    def declare(self, service: str, *event_patterns: str) -> None:
        self._patterns[service] = event_patterns
        with self._as_service(service), topology.connect("ingest") as opened:
            self._declare_queues(opened.channel())

    def publisher(self) -> Publisher:
        self._publishers.append(open_publisher())
        return self._publishers[-1]

    def consumer(self, service: str, *, prefetch: int = 200) -> Consumer:
        with self._as_service(service):
            self._consumers.append(KombuConsumer(self._declare_queues, prefetch, is_amqp=self._is_amqp))
        return self._consumers[-1]

    def inject(
        self, kind: Kind, routing_key: str, body: bytes, headers: dict[str, Any] | None = None
    ) -> None:
        with topology.connect("stranger") as opened:
            opened.Producer(opened.channel(), auto_declare=False).publish(
                body,
                exchange=topology.current().exchange_of(kind).name,
                routing_key=routing_key,
                headers=headers,
                content_type="application/json",
                content_encoding="binary",
            )

    def cut(self) -> None:
        self._proxy.cut()
        while self._consumers:
            self._consumers.pop().die()

    def mend(self) -> None:
        self._proxy.mend()

    def close(self) -> None:
        for consumer in self._consumers:
            consumer.die()
        for publisher in self._publishers:
            with suppress(Exception):
                publisher.close()
        try:
            with topology.connect("cleaning") as opened:
                self._clean(opened)
        finally:
            self._environment.undo()
            self._proxy.cut()

    def _clean(self, opened: Any) -> None:
        if not self._is_amqp:
            prefix = topology.redis_options()["global_keyprefix"]
            client = opened.default_channel.client
            left = [key.decode() for key in client.keys("*") if key.decode().startswith(prefix)]
            if left:
                client.delete(*(key.removeprefix(prefix) for key in left))
            return
        channel = opened.channel()
        names = topology.current()
        for service in self._patterns:
            mine = Topology(service, names.prefix, names.queue_type)
            for queue in (mine.event_queue, mine.command_queue):
                queue(channel).delete()
        names.events(channel).delete()
        names.commands(channel).delete()

    def _as_service(self, service: str) -> Any:
        return override_settings(ATOLL_SERVICE=service)

    def _declare_queues(self, channel: Any) -> Sequence[kombu.Queue]:
        names = topology.current()
        patterns = self._patterns[names.service]
        with mock.patch.object(known.Roster, "patterns", return_value=set(patterns)):
            return names.declare_queues(channel, exact_matching=self._is_amqp)


class KombuConsumer(Consumer):
    """Connects, declares, puts back, takes and acknowledges as ``atoll.bus.inbox.ingest`` does."""

    def __init__(self, declare_queues: Any, prefetch: int, *, is_amqp: bool) -> None:
        self._is_amqp = is_amqp
        self._connection = topology.connect("ingest")
        self._connection.connect()
        self._channel = cast(Any, self._connection.channel())
        queues = declare_queues(self._channel)
        if not is_amqp:
            self._channel.put_back()
        names = topology.current()
        self._queues = {
            names.events.name: names.event_queue.name,
            names.commands.name: names.command_queue.name,
        }
        self._arrived: list[Any] = []
        self._held: list[Any] = []
        self._is_open = True
        self._consumer = kombu.Consumer(
            self._channel, queues, on_message=self._arrived.append, prefetch_count=prefetch, accept=None
        )
        self._consumer.consume()

    def take(self, limit: int, timeout_s: float = TAKE_TIMEOUT_S) -> list[Arrival]:
        deadline = time.monotonic() + timeout_s
        while len(self._arrived) < limit and (left_s := deadline - time.monotonic()) > 0:
            with suppress(TimeoutError):
                self._connection.drain_events(timeout=left_s)
        taken = self._arrived[:limit]
        del self._arrived[:limit]
        self._held += taken
        return [ingest._arrival(message, self._queues) for message in taken]

    def acknowledge(self) -> None:
        if self._is_amqp:
            self._channel.basic_ack(self._held[-1].delivery_tag, multiple=True)
        else:
            self._channel.acknowledge([message.delivery_tag for message in self._held])
        self._held.clear()

    def die(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        if self._is_amqp:
            with suppress(OSError):
                self._connection.connection.sock.shutdown(socket.SHUT_RDWR)
            self._connection.collect()
            return
        # kombu would put back what is not acknowledged when it notices, which the dead do not.
        self._channel.qos._on_collect.cancel()
        self._channel.do_restore = False
        self._channel._disconnect_pools()

    def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        if not self._is_amqp:
            self._channel.close()
        with suppress(*self._connection.connection_errors, *self._connection.channel_errors):
            self._connection.close()


class CutInMidBatch(Publisher):
    """A relay's publisher whose connections break after it was given ``after`` rows of a batch."""

    def __init__(self, inner: Publisher, transport: Transport, after: int) -> None:
        self._inner = inner
        self._transport = transport
        self._after = after

    def publish(self, rows: Sequence[Row]) -> Outcome:
        return self._inner.publish(_Rows(rows, self._transport, self._after))

    def prepare(self) -> None:
        self._inner.prepare()

    def close(self) -> None:
        self._inner.close()


class _Rows(list[Row]):
    def __init__(self, rows: Sequence[Row], transport: Transport, after: int) -> None:
        super().__init__(rows)
        self._transport = transport
        self._after = after

    def __iter__(self) -> Any:
        for number, row in enumerate(super().__iter__()):
            if number == self._after:
                self._transport.cut()
            yield row
