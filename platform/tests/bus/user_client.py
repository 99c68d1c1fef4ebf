"""Clients that publish as one broker user each, and the contracts of their messages."""

import json
from typing import Any

import pika

from atoll.bus.broker import transports
from atoll.bus.schemas.definitions import Definition
from atoll.ids import uuid7

from .broker_users import Users
from .stranger import pika_connection

OWN, PAYMENTS, ERP, THIEF = "library-service", "payment-service", "legacy-erp", "thief"


def definitions(users: Users) -> list[Definition]:
    payments, own = users.name(PAYMENTS), users.name(OWN)
    return [
        Definition(kind="event", name="payment.completed", version=1, schema={}, service=payments),
        Definition(
            kind="event", name="legacy.ping", version=1, schema={}, service=own, foreign=True,
            senders=[users.name(ERP)],
        ),
        Definition(kind="command", name="write.note", version=1, schema={}, service=payments, to=own),
    ]  # fmt: skip


class UserClient:
    """A client with one user and without Atoll."""

    def __init__(self, users: Users, short: str) -> None:
        self.name = users.name(short)
        self._connection = pika_connection(users.url(short))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()

    def say(self, name: str, text: str, *, user: str | None = None, queue: str = "", **envelope: Any) -> None:
        """Publish with the user's own name as ``user_id``, with another name, or with none for "".

        With a queue's name, publish directly to the queue.
        """
        exchange, key = (transports.current().names.events.name, name) if not queue else ("", queue)
        body = {"id": str(uuid7()), "eventType": name, "data": {"text": text}} | envelope
        self._publish(exchange, key, body, self.name if user is None else user)

    def order(self, name: str, text: str, **envelope: Any) -> None:
        body = {"id": str(uuid7()), "command": name, "data": {"text": text}} | envelope
        self._publish(
            transports.current().names.commands.name, transports.current().names.service, body, self.name
        )

    def _publish(self, exchange: str, key: str, body: dict[str, Any], user: str) -> None:
        properties = pika.BasicProperties(user_id=user or None, app_id="payment-service")
        self._channel.basic_publish(exchange, key, json.dumps(body).encode(), properties, mandatory=True)

    def close(self) -> None:
        if self._connection.is_open:
            self._connection.close()
