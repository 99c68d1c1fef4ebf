"""RabbitMQ, over AMQP 0-9-1."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from amqp.exceptions import AccessRefused
from django.core.exceptions import ImproperlyConfigured
from kombu import Connection
from kombu.exceptions import OperationalError as BrokerAway

from atoll.bus.broker.amqp_bindings import AmqpBindings
from atoll.bus.broker.amqp_passing import PassingQueue
from atoll.bus.broker.amqp_publisher import ConfirmingPublisher
from atoll.bus.broker.consumer import Consumer, KombuConsumer
from atoll.bus.broker.messages import Arrival
from atoll.bus.broker.publisher import Publisher
from atoll.bus.broker.transport import CONNECT_TIMEOUT_S, HEARTBEAT_S, Capabilities, Transport

# Past this a write to the broker counts as a broken connection: RabbitMQ stops
# reading from publishers while it is short of memory or disk.
WRITE_TIMEOUT_S = 10
# After so many full batches in a row, or while it sees a backlog, the consumer looks whether it needs a
# passing queue, and again after LOOK_EVERY_S.
FULL_BATCHES = 5
LOOK_EVERY_S = 0.25


class Amqp(Transport):
    """Promises all that ``Transport`` lists, and durability, exact matching and proven senders."""

    capabilities = Capabilities(proves_senders=True, counts_consumers=True)

    def connect(self, purpose: str) -> Connection:
        return self._connection(purpose, heartbeat_s=HEARTBEAT_S)

    def hint_connection(self) -> Connection:
        return self._connection("hints", heartbeat_s=0)

    def open_publisher(self) -> Publisher:
        connection = self.connect("relay")
        connection.connect()
        return ConfirmingPublisher(connection, AmqpBindings(connection, self.names))

    def consumer(self) -> Consumer:
        connection = self.connect("ingest")
        return AmqpConsumer(connection, AmqpBindings(connection, self.names))

    def celery_settings(self) -> dict[str, Any]:
        return {
            "broker_url": self.url,
            "broker_transport": kombu_transport(self.url),
            "broker_transport_options": {"confirm_publish": True, "write_timeout": WRITE_TIMEOUT_S},
        }

    @classmethod
    def celery_problems(cls, settings: Any) -> list[str]:
        options, ours = settings.broker_transport_options, kombu_transport(settings.broker_url)
        found = []
        if settings.broker_transport != ours:
            found.append(
                f"broker_transport must be {ours}: with kombu's own, one message with a property that cannot "
                "be decoded stops the worker."
            )
        if not options.get("confirm_publish"):
            found.append(
                "broker_transport_options must have confirm_publish: RabbitMQ drops silently without "
                "(https://github.com/celery/celery/issues/5410)."
            )
        if not options.get("write_timeout"):
            found.append(
                "broker_transport_options must have write_timeout: a broker short of memory stops reading "
                "(https://github.com/celery/celery/issues/2689)."
            )
        if not settings.broker_heartbeat:
            found.append(
                "broker_heartbeat must be more than 0: a connection that went dead without a word "
                "would be waited on for ever (https://github.com/celery/celery/issues/3201)."
            )
        return found

    def refuse_mismatch(self) -> None:
        broker: Any = self.connect("start")
        try:
            broker.connect()
            broker.connection.sock.settimeout(CONNECT_TIMEOUT_S)
            self.names.refuse_mismatch(broker.channel())
        except AccessRefused as error:
            raise ImproperlyConfigured(f"RabbitMQ refuses RABBITMQ_URL: {error.reply_text}") from error
        except (*broker.connection_errors, *broker.channel_errors, BrokerAway):
            return
        finally:
            broker.collect()

    def _connection(self, purpose: str, *, heartbeat_s: int) -> Connection:
        return Connection(
            self.url,
            transport=kombu_transport(self.url),
            heartbeat=heartbeat_s,
            connect_timeout=CONNECT_TIMEOUT_S,
            transport_options={
                "write_timeout": WRITE_TIMEOUT_S,
                "client_properties": {"connection_name": f"{self.names.service} {purpose}"},
            },
        )


class AmqpConsumer(KombuConsumer):
    """Where thousands of messages wait, new ones come first, over a passing queue."""

    _passing: PassingQueue | None = None
    _full_batches = 0
    _next_look = 0.0

    def start(self, prefetch: int) -> Sequence[str]:
        queues = super().start(prefetch)
        names = self._bindings.names
        self._own_queues = [names.event_queue.name, names.command_queue.name]
        # One message at a time is asked for to find a bad one.
        if prefetch > 1:
            self._passing = PassingQueue(self._connection, names)
            self._passing.look(self._own_queues, self._channel)
            self._prefetch = prefetch
        return queues

    @property
    def lets_new_pass(self) -> bool:
        return self._passing is not None and self._passing.passes_all

    def take(self, limit: int, timeout_s: float) -> list[Arrival]:
        if self._passing and self._passing.is_open:
            # The broker has sent as many old messages as the prefetch allows; the new ones are behind them.
            with suppress(TimeoutError):
                while True:
                    self._connection.drain_events(timeout=0)
            self._passing.acknowledge()
        taken = super().take(limit, timeout_s)
        self._full_batches = self._full_batches + 1 if len(taken) == limit else 0
        if self._passing and (self._full_batches >= FULL_BATCHES or self._passing.sees_backlog):
            self._look_for_backlog(self._passing)
        return taken

    def in_hand(self) -> list[Arrival]:
        early = self._passing.arrived if self._passing else ()
        return [*super().in_hand(), *map(self._arrival, early)]

    def restore(self) -> None:
        super().restore()
        if self._passing:
            self._passing.look(self._own_queues, self._channel, unacknowledged=self._prefetch)

    def keep_alive(self) -> None:
        with suppress(TimeoutError):
            self._connection.drain_events(timeout=0)
        self._connection.heartbeat_check()

    def _waiting(self) -> int:
        return super()._waiting() + (len(self._passing.arrived) if self._passing else 0)

    def _pick(self, limit: int) -> list[Any]:
        return self._passing.pick(limit, self._arrived) if self._passing else super()._pick(limit)

    def _look_for_backlog(self, passing: PassingQueue) -> None:
        if not passing.is_open and time.monotonic() > self._next_look:
            passing.look(self._own_queues, self._channel, unacknowledged=self._prefetch)
            self._next_look = time.monotonic() + LOOK_EVERY_S

    def _arrival(self, message: Any) -> Arrival:
        arrival = super()._arrival(message)
        is_new = self._passing is not None and self._passing.is_open and message.channel is not self._channel
        return replace(arrival, is_new=True) if is_new else arrival

    def _acknowledge(self, messages: Sequence[Any]) -> None:
        own = [message for message in messages if message.channel is self._channel]
        if own:
            self._channel.basic_ack(own[-1].delivery_tag, multiple=True)


def kombu_transport(url: str) -> str:
    """The class of kombu's that no message can stop, for our own connections and Celery's."""
    return f"atoll.bus.broker.amqp_decoding:{'SSLTransport' if url.startswith('amqps') else 'Transport'}"
