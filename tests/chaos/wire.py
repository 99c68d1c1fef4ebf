"""The chaos at the broker: a mirror of all that is published, copies of it, messages held back, poison."""

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
# On everything that the nemesis sends, so that the mirror tells it from the platform's own.
MARK = "x-chaos"

Remembered = tuple[str, str, bytes, pika.BasicProperties]


def connect(port: int) -> pika.BlockingConnection:
    parameters = pika.URLParameters(f"amqp://guest:guest@127.0.0.1:{port}/%2F")
    parameters.socket_timeout = parameters.blocked_connection_timeout = 5
    return pika.BlockingConnection(parameters)


class Mirror:
    """Writes every message that goes over the exchanges to a file, and remembers the last of them.

    Its queue is durable and it acknowledges what is written, so it misses nothing over a restart
    of the broker; after one it may see a message twice.
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
        """Returns when the queue is bound: nothing published from here on is missed."""
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
        """What is in the queue then is written first."""
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
    """Publish the messages as they were, once more; how many the broker took."""
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
    """Consume beside the service and give back late what was got, in another order; how many it was."""
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
        # A nack has no answer; this has one, and comes after.
        channel.queue_declare(queue, passive=True)
    return len(tags)


def feed(port: int, queue: str, poisons: list[Poison]) -> None:
    """Put poison into a service's queue; returns when the broker has it."""
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
    """Delete all bindings of a queue to the exchange of events; how many there were."""
    told = node.control("list_bindings", "source_name", "destination_name", "routing_key")
    rows = [line.split("\t") for line in told.splitlines()]
    keys = [row[2] for row in rows if row[:2] == ["events", queue]]
    with connect(node.port) as connection:
        channel = connection.channel()
        for key in keys:
            channel.queue_unbind(queue, "events", key)
    return len(keys)


def delete_events(port: int) -> None:
    """Delete the exchange of events with all its bindings; raises while the broker is away.

    A connection that is lost over it may have deleted it.
    """
    with connect(port) as connection, suppress(AMQPError):
        connection.channel().exchange_delete("events")


def bind_mirror(port: int) -> None:
    """As at the start of the mirror, which has what is published from here on."""
    with connect(port) as connection:
        channel = connection.channel()
        channel.exchange_declare("events", "topic", durable=True)
        channel.queue_bind(MIRROR, "events", "#")


class Written(pika.BasicProperties):
    """Properties as bytes."""

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
    """Messages that wait in a queue; None when there is no such queue."""
    with connect(port) as connection:
        try:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)
        except AMQPError:
            return None
