"""RabbitMQ and Redis under the conformance suite, through a proxy that can be cut."""

import socket
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from atoll.bus.broker import transports
from atoll.bus.broker.redis import Redis
from atoll.bus.broker.topology import Topology
from atoll.bus.broker.transport import Transport
from atoll.bus.handlers.registry import Kind
from atoll.testing.proxy import Proxy
from atoll.testing.transports import PatientConsumer, TransportUnderTest


class BrokerUnderTest(TransportUnderTest):
    """A broker that kombu speaks to."""

    port: int

    def __init__(self, url: str, *, queue_type: str = "classic") -> None:
        parts = urlsplit(url)
        self._proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or self.port)
        account, at, _ = parts.netloc.rpartition("@")
        address = parts._replace(netloc=f"{account}{at}127.0.0.1:{self._proxy.port}").geturl()
        super().__init__(address, queue_type=queue_type)

    def make_queues(self, transport: Transport) -> None:
        with transport.connect("ingest") as opened:
            transport.names.declare_queues(
                opened.channel(), exact_matching=transport.capabilities.exact_matching
            )

    def inject(
        self, kind: Kind, routing_key: str, body: bytes, headers: dict[str, Any] | None = None
    ) -> None:
        transport = self.of_service()
        with transport.connect("stranger") as opened:
            opened.Producer(opened.channel(), auto_declare=False).publish(
                body,
                exchange=transport.names.exchange_of(kind).name,
                routing_key=routing_key,
                headers=headers,
                content_type="application/json",
                content_encoding="binary",
            )

    def kill(self, consumer: PatientConsumer) -> None:
        if consumer.is_open:
            consumer.is_open = False
            self._kill(consumer.consumer)

    def _kill(self, consumer: Any) -> None:
        raise NotImplementedError

    def cut(self) -> None:
        self._proxy.cut()
        for consumer in self.consumers:
            self.kill(consumer)

    def mend(self) -> None:
        self._proxy.mend()

    def close(self) -> None:
        for consumer in self.consumers:
            self.kill(consumer)
        for publisher in self.publishers:
            with suppress(Exception):
                publisher.close()
        try:
            self._clean()
        finally:
            super().close()
            self._proxy.cut()

    def _clean(self) -> None:
        raise NotImplementedError


class RabbitMQUnderTest(BrokerUnderTest):
    port = 5672

    def _kill(self, consumer: Any) -> None:
        with suppress(OSError):
            consumer._connection.connection.sock.shutdown(socket.SHUT_RDWR)
        consumer._connection.collect()

    def _clean(self) -> None:
        delete_from_rabbitmq(*self.patterns)


class RedisUnderTest(BrokerUnderTest):
    port = 6379

    def _kill(self, consumer: Any) -> None:
        """kombu would put back what is not acknowledged when it notices, which the dead do not."""
        consumer._channel.qos._on_collect.cancel()
        consumer._channel.do_restore = False
        consumer._channel._disconnect_pools()

    def _clean(self) -> None:
        delete_from_redis()


def delete_from_rabbitmq(*services: str) -> None:
    """The exchanges of the running project's platform, and the queues of these services."""
    transport = transports.current()
    names = transport.names
    with transport.connect("cleaning") as opened:
        channel: Any = opened.channel()
        for service in services:
            theirs = Topology(service, names.prefix, names.queue_type)
            for queue in (theirs.event_queue, theirs.command_queue, theirs.work_queue):
                queue(channel).delete()
        for exchange in (names.events, names.commands):
            exchange(channel).delete()


def delete_from_redis() -> None:
    """All keys of the running project's platform."""
    transport = transports.current()
    assert isinstance(transport, Redis)
    prefix = transport.options["global_keyprefix"]
    with transport.connect("cleaning") as opened:
        channel: Any = opened.default_channel
        client = channel.client
        left = [key.decode() for key in client.keys("*") if key.decode().startswith(prefix)]
        if left:
            client.delete(*(key.removeprefix(prefix) for key in left))
