"""Faults at the broker: duplicates, held back messages and poison; and a mirror of all published messages."""

import hashlib
import json
import random
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import pika
from pika.exceptions import AMQPError

from atoll.testing.rabbitmq import Node
from tests.chaos.poison import Poison

MIRROR = "chaos.mirror"
REMEMBERED = 2000
HELD_BACK = 20
# The mark on the nemesis's messages, by which the mirror recognizes them.
MARK = "x-chaos"

Remembered = tuple[str, str, bytes, pika.BasicProperties]


def connect(port: int) -> pika.BlockingConnection:
    parameters = pika.URLParameters(f"amqp://guest:guest@127.0.0.1:{port}/%2F")
    parameters.socket_timeout = parameters.blocked_connection_timeout = 5
    return pika.BlockingConnection(parameters)


class Mirror:
    """Writes every published message to a file and keeps the latest messages in memory.

    Its queue is durable, and it acknowledges only written messages. So it misses no message
    over a restart of the broker, but can see a message twice.
    """

    def __init__(self, port: int, path: Path, services: list[str]) -> None:
        self._port = port
        self._file = path.open("a", encoding="utf-8")
        self._services = services
        self._stopping = threading.Event()
        self._recent: deque[Remembered] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self.last_at = time.monotonic()

    def start(self) -> None:
        """Returns when the queue is bound. The mirror misses no message published after that."""
        with connect(self._port) as connection:
            channel = connection.channel()
            channel.exchange_declare("events", "topic", durable=True)
            channel.exchange_declare("commands", "direct", durable=True)
            channel.queue_declare(MIRROR, durable=True)
            channel.queue_bind(MIRROR, "events", "#")
            for service in self._services:
                channel.queue_bind(MIRROR, "commands", service)
        self._thread.start()

    def stop(self) -> None:
        """Write the messages that are still in the queue, then stop."""
        self._stopping.set()
        self._thread.join(30)
        self._file.close()

    def recent(self, count: int, chance: random.Random) -> list[Remembered]:
        with self._lock:
            return chance.sample(list(self._recent), min(count, len(self._recent)))

    def _run(self) -> None:
        while True:
            try:
                with connect(self._port) as connection:
                    channel = connection.channel()
                    channel.basic_qos(prefetch_count=500)
                    for method, properties, body in channel.consume(MIRROR, inactivity_timeout=0.3):
                        if method is not None:
                            self._note(method, properties, body)
                            channel.basic_ack(method.delivery_tag)
                        elif self._stopping.is_set():
                            channel.cancel()
                            return
            except (AMQPError, OSError):
                if self._stopping.wait(0.3):
                    return

    def _note(self, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        headers = properties.headers or {}
        if MARK in headers:
            return
        self._file.write(
            json.dumps(
                {
                    "id": properties.message_id,
                    "service": properties.app_id,
                    "exchange": method.exchange,
                    "to": method.routing_key,
                    "key": headers.get("x-atoll-key"),
                    "seq": int(headers.get("x-atoll-seq") or 0),
                    "correlation": properties.correlation_id,
                    "body": hashlib.sha256(body).hexdigest(),
                }
            )
            + "\n"
        )
        self._file.flush()
        self.last_at = time.monotonic()
        with self._lock:
            self._recent.append((method.exchange, method.routing_key, body, properties))


def send_copies(port: int, copies: list[Remembered]) -> int:
    """Publish the messages again without changes. Returns the number that the broker accepted."""
    with connect(port) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for exchange, routing_key, body, properties in copies:
            marked = pika.BasicProperties(
                **{
                    name: getattr(properties, name)
                    for name in (
                        *("content_type", "delivery_mode", "correlation_id", "message_id", "timestamp"),
                        *("type", "app_id"),
                    )
                },
                headers={**(properties.headers or {}), MARK: 1},
            )
            channel.basic_publish(exchange, routing_key, body, marked)
    return len(copies)


def hold_back(port: int, queue: str, for_s: float, chance: random.Random) -> int:
    """Consume beside the service, and return the messages late and in another order. Returns their number."""
    tags: list[int] = []
    with connect(port) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=HELD_BACK)
        consumer = channel.basic_consume(queue, lambda _, method, *__: tags.append(method.delivery_tag))
        connection.sleep(for_s)
        channel.basic_cancel(consumer)
        chance.shuffle(tags)
        for tag in tags:
            channel.basic_nack(tag, requeue=True)
        # A nack has no answer. This call has one, and the broker handles it after the nack.
        channel.queue_declare(queue, passive=True)
    return len(tags)


def feed(port: int, queue: str, poisons: list[Poison]) -> None:
    """Put poison into a service's queue. Returns when the broker has it."""
    with connect(port) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for poison in poisons:
            channel.basic_publish(
                "",
                queue,
                poison.body,
                Written(poison.written) if poison.written else _properties(poison),
            )


def unbind(node: Node, queue: str) -> int:
    """Delete all bindings of a queue to the exchange of events. Returns their number."""
    told = node.control("list_bindings", "source_name", "destination_name", "routing_key")
    rows = [line.split("\t") for line in told.splitlines()]
    keys = [row[2] for row in rows if row[:2] == ["events", queue]]
    with connect(node.port) as connection:
        channel = connection.channel()
        for key in keys:
            channel.queue_unbind(queue, "events", key)
    return len(keys)


def delete_events(port: int) -> None:
    """Delete the exchange of events with all its bindings. Raises while the broker is away.

    After a lost connection the exchange may be deleted or not.
    """
    with connect(port) as connection, suppress(AMQPError):
        connection.channel().exchange_delete("events")


def bind_mirror(port: int) -> None:
    """Bind the mirror again. The mirror receives all messages published after that."""
    with connect(port) as connection:
        channel = connection.channel()
        channel.exchange_declare("events", "topic", durable=True)
        channel.queue_bind(MIRROR, "events", "#")


class Written(pika.BasicProperties):
    """Properties as raw bytes."""

    def __init__(self, written: bytes) -> None:
        super().__init__()
        self._written = written

    def encode(self) -> list[bytes]:
        return [self._written]


def _properties(poison: Poison) -> pika.BasicProperties:
    headers = {MARK: 1, **poison.headers}
    given = {"content_type": poison.content_type, "delivery_mode": 2, "headers": headers}
    return pika.BasicProperties(**given | poison.properties)


def depth(port: int, queue: str) -> int | None:
    """Return the number of waiting messages in a queue, or None without the queue."""
    with connect(port) as connection:
        try:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)
        except AMQPError:
            return None
