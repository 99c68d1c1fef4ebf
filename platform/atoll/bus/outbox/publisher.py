"""Putting claimed outbox rows on the broker, many at a time."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from amqp.basic_message import Message
from kombu import Connection

from atoll.bus.broker import envelope, topology
from atoll.bus.broker.bindings import Bindings
from atoll.bus.broker.subscribers import Address
from atoll.bus.broker.topology import Topology
from atoll.bus.outbox.store import Row

# RabbitMQ gains little from more unconfirmed messages than this.
WINDOW = 500
CONFIRM_DEADLINE_S = 10.0
PREPARE_EVERY_S = 2.0
UNROUTABLE = "No queue on the broker takes commands for {}; has its worker ever run?"
UNBOUND = "The broker has no queue for it, and {} should receive it."
BEHIND = "An earlier message of its key waits: {}"


@dataclass
class Outcome:
    """What became of a batch; a row that is in none of the three is in doubt and must be sent again.

    ``unroutable`` are those that a known receiver would not have got; nobody got them.
    """

    published: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    unroutable: dict[int, str] = field(default_factory=dict)
    error: BaseException | None = None


class Publisher(ABC):
    """One connection to the broker, used by one thread."""

    _bindings: Bindings | None = None
    _prepared_at: float | None = None

    def __init__(self, connection: Connection, topology: Topology) -> None:
        self._connection = connection
        self._topology = topology
        self._errors = (*connection.connection_errors, *connection.channel_errors)
        self._exchanges = {"event": topology.events.name, "command": topology.commands.name}
        self._channel: Any = connection.channel()
        self._bindings = Bindings(connection, topology)
        self._bindings.restore_exchanges()

    def prepare(self) -> None:
        """Make the queues and bindings that are missing: this service's, and those of the known receivers
        of what it publishes. ``keep_alive`` then does it again every PREPARE_EVERY_S seconds.

        Raises the connection's errors, and Mismatch.
        """
        if self._bindings:
            self._bindings.make()
            self._prepared_at = time.monotonic()

    @abstractmethod
    def publish(self, rows: Sequence[Row]) -> Outcome:
        """Publish in order. Never raises for the broker's sake: see ``Outcome.error``."""

    def socket(self) -> Any | None:
        """What becomes readable when the broker has something to say, if there is such a thing."""
        return None

    def keep_alive(self) -> None:
        """Call every few seconds, and when the socket is readable; raises when the connection is gone."""
        if self._prepared_at is not None and time.monotonic() - self._prepared_at > PREPARE_EVERY_S:
            self.prepare()

    def _receivers(self, row: Row) -> frozenset[str]:
        """Who should get it, by the document of contracts."""
        return self._bindings.receivers.get(_address(row), frozenset()) if self._bindings else frozenset()

    def _may_go(self, row: Row, outcome: Outcome, waiting: dict[str, str]) -> bool:
        """Whether it may be published now; ``waiting`` says of which keys an earlier one may not, and why."""
        reason = self._bindings.held.get(_address(row)) if self._bindings else None
        if reason is None and row.key in waiting:
            reason = BEHIND.format(waiting[row.key])
        if reason is None:
            return True
        outcome.unroutable[row.id] = reason
        if row.key:
            waiting.setdefault(row.key, reason)
        return False

    def close(self) -> None:
        try:
            self._connection.close()
        except self._errors:
            self._connection.collect()


class ConfirmingPublisher(Publisher):
    """AMQP with publisher confirms, up to WINDOW of them outstanding.

    A row counts as published when RabbitMQ has confirmed it; a command that no
    queue takes, and a nack, are refusals. What has a known receiver is unroutable when
    RabbitMQ has no queue for it.
    """

    def __init__(self, connection: Connection, topology: Topology) -> None:
        super().__init__(connection, topology)
        self._amqp = connection.connection
        self._proven = self._proven_sender(connection)
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)
        self._last_tag = 0
        self._unconfirmed: dict[int, Row] = {}
        self._returned: set[str] = set()
        self._outcome = Outcome()

    def publish(self, rows: Sequence[Row]) -> Outcome:
        outcome = self._outcome = Outcome()
        self._unconfirmed.clear()
        self._returned.clear()
        deadline = time.monotonic() + CONFIRM_DEADLINE_S
        waiting: dict[str, str] = {}
        try:
            if self._bindings:
                self._bindings.renew(self._channel, dict.fromkeys(map(_address, rows)))
            for row in rows:
                if not self._may_go(row, outcome, waiting):
                    continue
                self._last_tag += 1
                self._unconfirmed[self._last_tag] = row
                self._channel.basic_publish(
                    Message(row.body, **properties(row, self._topology.service), **self._proven),
                    exchange=self._exchanges[row.kind],
                    routing_key=row.destination,
                    mandatory=row.kind == "command" or bool(self._receivers(row)),
                )
                while len(self._unconfirmed) >= WINDOW:
                    self._amqp.drain_events(timeout=max(0.001, deadline - time.monotonic()))
            while self._unconfirmed:
                self._amqp.drain_events(timeout=max(0.001, deadline - time.monotonic()))
        except self._errors as error:
            outcome.error = error
        return outcome

    def _proven_sender(self, connection: Connection) -> dict[str, str]:
        """AMQP's ``user_id``, which RabbitMQ takes from nobody else. A user that several services share
        would prove nothing."""
        return {"user_id": self._topology.service} if connection.userid == self._topology.service else {}

    def socket(self) -> Any:
        return self._amqp.sock

    def keep_alive(self) -> None:
        with suppress(TimeoutError):
            self._amqp.drain_events(timeout=0)
        self._amqp.heartbeat_tick()
        super().keep_alive()

    def _on_ack(self, tag: int, multiple: bool) -> None:
        for row in self._settled(tag, multiple):
            if str(row.message_id) in self._returned:
                if receivers := self._receivers(row):
                    self._outcome.unroutable[row.id] = UNBOUND.format(" and ".join(sorted(receivers)))
                else:
                    self._outcome.refused[row.id] = UNROUTABLE.format(row.destination)
            else:
                self._outcome.published.append(row.id)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for row in self._settled(tag, multiple):
            self._outcome.refused[row.id] = "The broker could not take responsibility for the message (nack)."

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, message: Message) -> None:
        """RabbitMQ sends this before the confirm of the same message."""
        self._returned.add(message.properties["message_id"])

    def _settled(self, tag: int, multiple: bool) -> list[Row]:
        if not multiple:
            return [self._unconfirmed.pop(tag)]
        tags = [held for held in self._unconfirmed if held <= tag]
        return [self._unconfirmed.pop(held) for held in tags]


class PlainPublisher(Publisher):
    """kombu's virtual transports: a message is published when the server has answered."""

    def __init__(self, connection: Connection, topology: Topology) -> None:
        super().__init__(connection, topology)
        self._producer = connection.Producer(self._channel, auto_declare=False)

    def publish(self, rows: Sequence[Row]) -> Outcome:
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

    def _publish(self, row: Row, outcome: Outcome) -> None:
        if row.kind == "command" and not self._is_routable(row):
            outcome.refused[row.id] = UNROUTABLE.format(row.destination)
            return
        attributes = properties(row, self._topology.service)
        self._producer.publish(
            row.body,
            exchange=self._exchanges[row.kind],
            routing_key=row.destination,
            headers=attributes.pop("application_headers"),
            **attributes,
        )
        outcome.published.append(row.id)

    def _reaches_its_receivers(self, row: Row) -> bool:
        """These transports have no ``mandatory``; their table of bindings tells more than that would."""
        receivers = self._receivers(row)
        if not receivers:
            return True
        queues = self._channel.typeof(self._exchanges[row.kind]).lookup(
            self._channel.get_table(self._exchanges[row.kind]),
            self._exchanges[row.kind],
            row.destination,
            None,
        )
        return receivers <= {topology.service_of(queue) for queue in queues}

    def _is_routable(self, row: Row) -> bool:
        """Whether any queue takes commands for that service."""
        bindings = self._channel.get_table(self._exchanges[row.kind])
        return any(routing_key == row.destination for routing_key, _pattern, _queue in bindings)


def _address(row: Row) -> Address:
    return Address("command" if row.kind == "command" else "event", row.destination)


def open_publisher(purpose: str = "relay") -> Publisher:
    """Connect; raises OSError or one of the connection's errors when the broker is away."""
    names = topology.current()
    connection = topology.connect(purpose, redis_transport="RelayTransport")
    connection.connect()
    kind = ConfirmingPublisher if connection.transport.driver_type == "amqp" else PlainPublisher
    return kind(connection, names)


def open_prepared() -> Publisher:
    """As ``open_publisher``, for a relay: everything is bound before it has published anything."""
    opened = open_publisher()
    try:
        opened.prepare()
    except BaseException:
        opened.close()
        raise
    return opened


def properties(row: Row, service_id: str) -> dict[str, Any]:
    """The AMQP properties and headers of design §7."""
    headers: dict[str, Any] = {"traceparent": envelope.traceparent(row.correlation_id, row.message_id)}
    if row.key:
        # As text: past 31 bits py-amqp writes a type tag that makes other clients close the connection.
        headers |= {"x-atoll-key": row.key, "x-atoll-seq": str(row.key_sequence)}
    return {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "delivery_mode": 2,
        "message_id": str(row.message_id),
        "type": row.name,
        "app_id": service_id,
        "correlation_id": row.correlation_id,
        "timestamp": int(row.created_at.timestamp()),
        "application_headers": headers,
    }
