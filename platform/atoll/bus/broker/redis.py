"""Redis or Valkey, through kombu's Redis transport: the embedded broker of one machine."""

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from kombu import Connection

from atoll.bus.broker.bindings import Bindings
from atoll.bus.broker.consumer import Consumer, KombuConsumer
from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.publisher import UNROUTABLE, KombuPublisher, Outcome, Publisher, properties
from atoll.bus.broker.redis_channels import service_of, unacked_keys
from atoll.bus.broker.transport import CONNECT_TIMEOUT_S, Capabilities, Transport

# A message that was published this long ago and is not acknowledged is put back into its queue.
# Ample, since ingest acknowledges as soon as it has stored.
VISIBILITY_TIMEOUT_S = 12
PUT_BACK_EVERY_S = 5.0
HINT_TRANSPORT = "atoll.bus.broker.redis_channels:HintTransport"


class Redis(Transport):
    """Promises all that ``Transport`` lists; a message may get lost when the machine crashes.

    A message counts as published when the server has answered. BUS_PREFIX stands before the server's
    keys instead of the names of queues and exchanges.
    """

    capabilities = Capabilities(
        exact_matching=False,
        returns_copies=True,
        redelivery_s=VISIBILITY_TIMEOUT_S + PUT_BACK_EVERY_S,
        # The disk has everything but the last second before a crash.
        is_durable=False,
    )

    def __init__(self, url: str, *, service: str, prefix: str = "", queue_type: str = "classic") -> None:
        super().__init__(url, service=service, queue_type=queue_type)
        self._key_prefix = prefix

    def connect(self, purpose: str) -> Connection:
        return self._connection(purpose, "Transport")

    def hint_connection(self) -> Connection:
        return self._connection("hints", "HintTransport")

    def open_publisher(self) -> Publisher:
        connection = self._connection("relay", "RelayTransport")
        connection.connect()
        return PlainPublisher(connection, self._bindings(connection))

    def consumer(self) -> Consumer:
        connection = self.connect("ingest")
        return RedisConsumer(connection, self._bindings(connection))

    def celery_settings(self) -> dict[str, Any]:
        return {
            "broker_url": self.url,
            "broker_transport": HINT_TRANSPORT,
            "broker_transport_options": self.options,
        }

    @classmethod
    def celery_problems(cls, settings: Any) -> list[str]:
        if settings.broker_transport == HINT_TRANSPORT:
            return []
        return [
            f"broker_transport must be {HINT_TRANSPORT}: kombu's own ends the worker when its connection "
            "is lost."
        ]

    @property
    def options(self) -> dict[str, Any]:
        """Of kombu's Redis transport; no wait for the server is without end."""
        return {
            "global_keyprefix": self._key_prefix,
            # Ingest puts back by the clock; kombu would look after every poll that found nothing.
            "unacked_restore_throttle": sys.maxsize,
            "socket_timeout": CONNECT_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "queue_order_strategy": "round_robin",
            "socket_keepalive": True,
            # A connection that went dead without a word is replaced after about twice this many seconds.
            "health_check_interval": 5,
        }

    def _bindings(self, connection: Connection) -> Bindings:
        return Bindings(connection, self.names, exact_matching=False)

    def _connection(self, purpose: str, transport: str) -> Connection:
        return Connection(
            self.url,
            transport=f"atoll.bus.broker.redis_channels:{transport}",
            transport_options=self.options | unacked_keys(purpose, self.names.service),
        )


class RedisConsumer(KombuConsumer):
    # The transport fetches one message at a time: worth a short wait for the next.
    linger_s = 0.002
    _next_put_back = float("inf")

    def keep_alive(self) -> None:
        if time.monotonic() > self._next_put_back:
            self._put_back(VISIBILITY_TIMEOUT_S)

    def close(self) -> None:
        # kombu has asked Redis for the next message already, and drops what comes once nobody
        # consumes any more. A channel that closes before that puts it back.
        if self._channel is not None:
            with suppress(*self._connection.connection_errors, *self._connection.channel_errors):
                self._channel.close()
        super().close()

    def _put_back(self, older_than_s: float = 0.0) -> None:
        self._channel.put_back(older_than_s)
        self._next_put_back = time.monotonic() + PUT_BACK_EVERY_S

    def _acknowledge(self, messages: Sequence[Any]) -> None:
        self._channel.acknowledge([message.delivery_tag for message in messages])


class PlainPublisher(KombuPublisher):
    """kombu's virtual transports: a message is published when the server has answered."""

    def __init__(self, connection: Connection, bindings: Bindings) -> None:
        super().__init__(connection, bindings)
        self._producer = connection.Producer(self._channel, auto_declare=False)

    def publish(self, rows: Sequence[Outgoing]) -> Outcome:
        outcome = Outcome()
        waiting: dict[str, str] = {}
        try:
            with self._channel.same_bindings():
                if not all(self._reaches_its_receivers(row) for row in rows):
                    self.prepare()
                    self._channel.read_again()
                for row in rows:
                    if self._may_go(row, outcome, waiting):
                        self._publish(row, outcome)
        except self._errors as error:
            outcome.error = error
        return outcome

    def _publish(self, row: Outgoing, outcome: Outcome) -> None:
        if row.kind == "command" and not self._is_routable(row):
            outcome.refused[row.id] = UNROUTABLE.format(row.destination)
            return
        attributes = properties(row, self._service)
        self._producer.publish(
            row.body,
            exchange=self._exchanges[row.kind],
            routing_key=row.destination,
            headers=attributes.pop("application_headers"),
            **attributes,
        )
        outcome.published.append(row.id)

    def _reaches_its_receivers(self, row: Outgoing) -> bool:
        """kombu's virtual transports have no ``mandatory``; their table of bindings tells more."""
        receivers = self._receivers(row)
        if not receivers:
            return True
        exchange = self._exchanges[row.kind]
        queues = self._channel.typeof(exchange).lookup(
            self._channel.get_table(exchange), exchange, row.destination, None
        )
        return receivers <= {service_of(queue) for queue in queues}

    def _is_routable(self, row: Outgoing) -> bool:
        """Whether any queue takes commands for that service."""
        bindings = self._channel.get_table(self._exchanges[row.kind])
        return any(routing_key == row.destination for routing_key, _pattern, _queue in bindings)
