"""Publishing to RabbitMQ, with a confirmation for each message."""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from amqp.basic_message import Message
from kombu import Connection

from atoll.bus.broker.amqp_bindings import AmqpBindings
from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.publisher import (
    UNBOUND,
    UNROUTABLE,
    KombuPublisher,
    Outcome,
    address,
    properties,
)

# RabbitMQ gains little from more unconfirmed messages than this.
WINDOW = 500
CONFIRM_DEADLINE_S = 10.0


class ConfirmingPublisher(KombuPublisher):
    """Publisher confirms, up to WINDOW of them outstanding.

    A row counts as published when RabbitMQ has confirmed it. A command that no queue takes, and a
    nack, are refusals. A row with a known receiver is unroutable when RabbitMQ has no queue for it.
    """

    _bindings: AmqpBindings

    def __init__(self, connection: Connection, bindings: AmqpBindings) -> None:
        super().__init__(connection, bindings)
        self._amqp = connection.connection
        # AMQP's user_id, which RabbitMQ takes from no other user. A shared user would prove nothing.
        self._proof = {"user_id": self._service} if connection.userid == self._service else {}
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)
        self._last_tag = 0
        self._unconfirmed: dict[int, Outgoing] = {}
        self._returned: set[str] = set()
        self._outcome = Outcome()

    def publish(self, rows: Sequence[Outgoing]) -> Outcome:
        outcome = self._outcome = Outcome()
        self._unconfirmed.clear()
        self._returned.clear()
        deadline = time.monotonic() + CONFIRM_DEADLINE_S
        waiting: dict[str, str] = {}
        try:
            self._bindings.renew(self._channel, dict.fromkeys(map(address, rows)))
            for row in rows:
                if self._may_go(row, outcome, waiting):
                    self._publish(row)
                    self._drain(WINDOW - 1, deadline)
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

    def _publish(self, row: Outgoing) -> None:
        self._last_tag += 1
        self._unconfirmed[self._last_tag] = row
        self._channel.basic_publish(
            Message(row.body, **properties(row, self._service), **self._proof),
            exchange=self._exchanges[row.kind],
            routing_key=row.destination,
            mandatory=row.kind == "command" or bool(self._receivers(row)),
        )

    def _drain(self, most: int, deadline: float) -> None:
        """Wait until at most so many messages are unconfirmed."""
        while len(self._unconfirmed) > most:
            self._amqp.drain_events(timeout=max(0.001, deadline - time.monotonic()))

    def _on_ack(self, tag: int, multiple: bool) -> None:
        for row in self._settled(tag, multiple):
            if str(row.message_id) not in self._returned:
                self._outcome.published.append(row.id)
            elif receivers := self._receivers(row):
                self._outcome.unroutable[row.id] = UNBOUND.format(" and ".join(sorted(receivers)))
            else:
                self._outcome.refused[row.id] = UNROUTABLE.format(row.destination)

    def _on_nack(self, tag: int, multiple: bool) -> None:
        for row in self._settled(tag, multiple):
            self._outcome.refused[row.id] = "The broker could not take responsibility for the message (nack)."

    def _on_return(self, _error: Exception, _exchange: str, _routing_key: str, message: Message) -> None:
        """RabbitMQ sends this before the confirm of the same message."""
        self._returned.add(message.properties["message_id"])

    def _settled(self, tag: int, multiple: bool) -> list[Outgoing]:
        if not multiple:
            return [self._unconfirmed.pop(tag)]
        tags = [held for held in self._unconfirmed if held <= tag]
        return [self._unconfirmed.pop(held) for held in tags]
