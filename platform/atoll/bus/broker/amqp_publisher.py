"""Publishing to RabbitMQ: a batch in one write, and a confirmation for each message."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

from amqp.basic_message import Message
from kombu import Connection

from atoll.bus.broker import amqp_frames as frames
from atoll.bus.broker.amqp_bindings import AmqpBindings
from atoll.bus.broker.amqp_frames import Properties
from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.publisher import UNBOUND, UNROUTABLE, KombuPublisher, Outcome, address

# RabbitMQ gains little from more unconfirmed messages than this.
WINDOW = 500
# Large messages are written in parts of about this size, so that no batch is in memory twice.
WRITE_BYTES = 2**20
CONFIRM_DEADLINE_S = 10.0


class ConfirmingPublisher(KombuPublisher):
    """Publisher confirms, up to WINDOW of them outstanding.

    A row counts as published when RabbitMQ has confirmed it. A command that no queue takes, and a
    nack, are refusals. A row with a known receiver is unroutable when RabbitMQ has no queue for it.

    A broker that is short of memory or disk holds a batch back between its bindings and its messages, for
    minutes if need be. It publishes such a batch once more, with its bindings: inboxes drop second copies.
    """

    _bindings: AmqpBindings

    def __init__(self, connection: Connection, bindings: AmqpBindings) -> None:
        super().__init__(connection, bindings)
        self._amqp = connection.connection
        # AMQP's user_id, which RabbitMQ takes from no other user. A shared user would prove nothing.
        self._user_id = self._service if connection.userid == self._service else ""
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)
        self._amqp.on_blocked = self._on_blocked
        self._was_held_back = False
        self._last_tag = 0
        self._unconfirmed: dict[int, Outgoing] = {}
        self._returned: set[str] = set()
        self._outcome = Outcome()
        self._methods: dict[tuple[str, str, bool], bytes] = {}
        self._properties: dict[str, Properties] = {}

    def publish(self, rows: Sequence[Outgoing]) -> Outcome:
        outcome = self._publish(rows)
        if self._was_held_back and outcome.error is None:
            outcome = self._publish(rows)
        return outcome

    def _publish(self, rows: Sequence[Outgoing]) -> Outcome:
        outcome = self._outcome = Outcome()
        self._unconfirmed.clear()
        self._returned.clear()
        self._was_held_back = False
        deadline = time.monotonic() + CONFIRM_DEADLINE_S
        try:
            self._write(self._frames(rows, outcome), deadline)
            self._drain(0, deadline)
        except self._errors as error:
            outcome.error = error
        return outcome

    def socket(self) -> Any:
        return self._amqp.sock

    def keep_alive(self) -> None:
        with suppress(TimeoutError):
            self._amqp.drain_events(timeout=0)
        self._amqp.heartbeat_tick()
        super().keep_alive()

    def _write(self, parts: Iterator[bytes], deadline: float) -> None:
        unsent, size = [], 0
        for part in parts:
            unsent.append(part)
            size += len(part)
            if size >= WRITE_BYTES or len(self._unconfirmed) >= WINDOW:
                self._send(unsent)
                unsent, size = [], 0
                self._drain(WINDOW // 2, deadline)
        self._send(unsent)

    def _send(self, parts: Sequence[bytes]) -> None:
        if parts:
            self._amqp.transport.write(b"".join(parts))
            # py-amqp's heartbeat compares this counter.
            self._amqp.bytes_sent += 1

    def _frames(self, rows: Sequence[Outgoing], outcome: Outcome) -> Iterator[bytes]:
        """The bindings, then each row that may go, which counts as unconfirmed from then on."""
        channel = self._channel.channel_id
        for queue, exchange, key in self._bindings.renewals(dict.fromkeys(map(address, rows))):
            yield frames.bind(channel, queue, exchange, key)
        waiting: dict[str, str] = {}
        for row in rows:
            if self._may_go(row, outcome, waiting):
                self._last_tag += 1
                self._unconfirmed[self._last_tag] = row
                content = frames.content(channel, self._encoded(row), row.body.encode(), self._amqp.frame_max)
                yield b"".join((self._method(row), *content))

    def _method(self, row: Outgoing) -> bytes:
        mandatory = row.kind == "command" or bool(self._receivers(row))
        wanted = (row.kind, row.destination, mandatory)
        if wanted not in self._methods:
            self._methods[wanted] = frames.publish(
                self._channel.channel_id, self._exchanges[row.kind], row.destination, mandatory=mandatory
            )
        return self._methods[wanted]

    def _encoded(self, row: Outgoing) -> bytes:
        if row.name not in self._properties:
            self._properties[row.name] = Properties(row.name, self._service, user_id=self._user_id)
        return self._properties[row.name].of(row)

    def _drain(self, most: int, deadline: float) -> None:
        """Wait until at most so many messages are unconfirmed."""
        while len(self._unconfirmed) > most:
            self._amqp.drain_events(timeout=max(0.001, deadline - time.monotonic()))

    def _on_ack(self, tag: int, multiple: bool) -> None:
        for row in self._settled(tag, multiple):
            if not self._returned or str(row.message_id) not in self._returned:
                self._outcome.published.append(row.id)
            elif receivers := self._receivers(row):
                self._outcome.unroutable[row.id] = UNBOUND.format(" and ".join(sorted(receivers)))
            else:
                self._outcome.refused[row.id] = UNROUTABLE.format(row.destination)

    def _on_blocked(self, _reason: str) -> None:
        """RabbitMQ says it as soon as it holds a message back."""
        self._was_held_back = True

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for row in self._settled(tag, multiple):
            self._outcome.refused[row.id] = "The broker could not take responsibility for the message (nack)."

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, message: Message) -> None:
        """RabbitMQ sends this before the confirm of the same message."""
        self._returned.add(message.properties["message_id"])

    def _settled(self, tag: int, multiple: bool) -> list[Outgoing]:
        tags = list(takewhile(lambda held: held <= tag, self._unconfirmed)) if multiple else [tag]
        return [self._unconfirmed.pop(held) for held in tags]
