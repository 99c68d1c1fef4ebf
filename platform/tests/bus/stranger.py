"""A client that knows AMQP and nothing of Atoll."""

from typing import Any

import kombu
import pika

from atoll.bus.broker import transports


def pika_connection(url: str) -> pika.BlockingConnection:
    """A connection of pika, opened, to the broker of an AMQP URL."""
    address = kombu.Connection(url)
    return pika.BlockingConnection(
        pika.ConnectionParameters(
            host=address.hostname,
            port=address.port,
            virtual_host=address.virtual_host,
            credentials=pika.PlainCredentials(address.userid, address.password),
        )
    )


class Stranger:
    """An AMQP client that knows our two exchanges and nothing of Atoll."""

    def __init__(self, url: str) -> None:
        names = transports.current().names
        self._events, self._commands = names.events.name, names.commands.name
        self._connection = pika_connection(url)
        self._channel = self._connection.channel()
        self._channel.exchange_declare(self._events, exchange_type="topic", durable=True)
        self._channel.exchange_declare(self._commands, exchange_type="direct", durable=True)

    def publish(self, routing_key: str, body: bytes, **properties: Any) -> None:
        self._channel.basic_publish(self._events, routing_key, body, pika.BasicProperties(**properties))

    def command(self, service: str, body: bytes) -> None:
        self._channel.basic_publish(self._commands, service, body)

    def depth(self, queue: str) -> int:
        return int(self._channel.queue_declare(queue, passive=True).method.message_count)

    def close(self) -> None:
        self._connection.close()
