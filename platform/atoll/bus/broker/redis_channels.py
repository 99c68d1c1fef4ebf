"""kombu's Redis transport at a fraction of its cost: a channel for ingest, one for relays, one for hints.

kombu makes a client, a table of hundreds of callbacks, for every command, and notes and forgets every
message in a transaction of its own: under load that was half of a worker's time (kombu 5.7,
``Channel.conn_or_acquire``).
"""

import base64
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from queue import Empty
from typing import Any

from kombu.transport import redis as untyped
from kombu.transport import virtual
from kombu.utils.json import dumps

from atoll.ids import uuid7

# Its stubs leave out most of it.
redis: Any = untyped
# A header of an envelope that we made around bytes that are none; it says why they are none.
PROBLEM = "x-atoll-problem"


def service_of(queue: str) -> str:
    """The service a queue belongs to: of ``cmd.order-service``, ``order-service``."""
    return queue.partition(".")[2]


def unacked_keys(purpose: str, service: str) -> dict[str, str]:
    """The keys where kombu notes the unacknowledged messages of one kind of consumer of a service."""
    key = f"unacked.{purpose}.{service}"
    return {"unacked_key": key, "unacked_index_key": f"{key}.index"}


class QoS(redis.QoS):
    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        """One packet, without MULTI and EXEC around it."""
        if pipe is not None:
            yield pipe
            return
        with self.channel.conn_or_acquire(client) as commands:
            yield commands.pipeline(transaction=False)

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a taken message. A note of the relay stays: it has the queue and the order."""
        info = message.delivery_info
        note = dumps([message._raw, info["exchange"], info["routing_key"]])
        # kombu puts its prefix before the keys of the commands it uses itself; HSETNX is not among them.
        prefixed = f"{self.channel.global_keyprefix}{self.unacked_key}"
        with self.pipe_or_acquire() as pipe:
            pipe.zadd(self.unacked_index_key, {delivery_tag: time.time()}, nx=True).hsetnx(
                prefixed, delivery_tag, note
            ).execute()
        virtual.QoS.append(self, message, delivery_tag)


class Message(virtual.Message):
    """A message for consumers. kombu does not decompress its body, whatever a header asks for.

    Raises TypeError, not an error of the connection, for an envelope that no client of kombu writes.
    """

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        headers = payload.get("headers") or {}
        _must_fit(payload, headers)
        super().__init__({**payload, "headers": {}}, channel, **options)
        self._raw = payload
        self.headers = {key: value for key, value in headers.items() if key != PROBLEM}
        self.problem = str(headers.get(PROBLEM, ""))


def _must_fit(payload: Any, headers: Any) -> None:
    properties = payload.get("properties")
    if not isinstance(properties, dict) or not isinstance(headers, dict):
        raise TypeError("`headers` or `properties` is not an object")
    if not isinstance(properties.get("delivery_info", {}), dict):
        raise TypeError("`delivery_info` is not an object")
    if not isinstance(properties.get("delivery_tag"), str):
        raise TypeError("`delivery_tag` is not a string")
    if properties.get("body_encoding") not in (None, "base64", "utf-8"):
        raise TypeError("`body_encoding` is not known")
    payload.get("body", "").encode()


class Channel(redis.Channel):
    """The channel of ingest."""

    QoS = QoS
    Message = Message
    _taken: tuple[Any, Any] | None = None

    @cached_property
    def _commands(self) -> Any:
        return self._create_client()

    def queue_bind(
        self, queue: str, exchange: str, routing_key: str = "", arguments: Any = None, **_: Any
    ) -> None:
        """kombu would not repeat a binding that it has made before and the server has lost."""
        if not self.state.has_binding(queue, exchange, routing_key):
            self.state.binding_declare(queue, exchange, routing_key, arguments)
        self._queue_bind(exchange, *self._binding(queue, exchange, routing_key, arguments))

    def queue_unbind(
        self, queue: str, exchange: str, routing_key: str = "", arguments: Any = None, **_: Any
    ) -> None:
        """kombu would change its own copy of the bindings, not the server's."""
        self.state.binding_delete(queue, exchange, routing_key)
        member = self.sep.join(self._binding(queue, exchange, routing_key, arguments))
        with self.conn_or_acquire() as client:
            for table in (self.keyprefix_queue, self.keyprefix_binding_permanent):
                client.srem(table % (exchange,), member)

    def _binding(self, queue: str, exchange: str, routing_key: str, arguments: Any) -> tuple[str, str, str]:
        made: tuple[Any, ...] = self.typeof(exchange).prepare_bind(queue, exchange, routing_key, arguments)
        key, pattern, name = (part or "" for part in made)
        return key, pattern, name

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        yield client or self._commands

    def acknowledge(self, tags: Sequence[str]) -> None:
        """In one packet."""
        with self.conn_or_acquire() as client:
            client.pipeline(transaction=False).zrem(self.unacked_index_key, *tags).hdel(
                self.unacked_key, *tags
            ).execute()
        for tag in tags:
            virtual.QoS.ack(self.qos, tag)

    def put_back(self, older_than_s: float = 0.0) -> None:
        """Put unacknowledged messages that were noted so long ago back into their queues.

        The newest goes first, since each is put before the messages that wait.
        """
        with self.conn_or_acquire() as client:
            noted_until = time.time() - older_than_s
            for tag in client.zrange(self.unacked_index_key, noted_until, 0, desc=True, byscore=True):
                self.qos.restore_by_tag(tag, client)

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)
        if asynchronous:
            parse = client.parse_response

            def remember(connection: Any, command: str, **options: Any) -> Any:
                self._taken = answer = parse(connection, command, **options)
                return answer

            client.parse_response = remember
        return client

    def _brpop_read(self, **options: Any) -> Any:
        """Bytes that cannot be decoded have left their queue already: they are delivered as they are."""
        self._taken = None
        try:
            return super()._brpop_read(**options)
        except (Empty, *self.connection_errors):
            raise
        except Exception as error:
            if not self._taken:
                raise
            queue, item = self._taken
            name = queue.decode(errors="backslashreplace").rsplit(self.sep, 1)[0]
            self.connection._deliver(undecodable(item, name, error), name)
            return True


def undecodable(item: bytes, queue: str, error: Exception) -> dict[str, Any]:
    """An envelope of kombu around bytes that are none."""
    problem = f"{type(error).__name__}: {error}"[:300]
    return {
        "body": base64.b64encode(item).decode(),
        "headers": {PROBLEM: f"It is no message of kombu's Redis transport: {problem}."},
        "properties": {
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": queue},
            "delivery_tag": str(uuid7()),
        },
    }


class Transport(redis.Transport):
    Channel = Channel


class RelayChannel(Channel):
    """The channel of relays.

    kombu takes a message off its queue and notes in a second command that it was taken: a process
    killed in between would lose the message. So the relay writes the note when it puts the message
    into the queue. Acknowledging deletes the note. A message with a note older than
    ``VISIBILITY_TIMEOUT_S`` is put back; when it was only slow, the inbox drops the copy.
    """

    _tables: dict[str, Any] | None = None

    @contextmanager
    def same_bindings(self) -> Iterator[None]:
        """Inside, an exchange's bindings are read once. Keep it short: a new queue would miss messages."""
        self._tables = {}
        try:
            yield
        finally:
            self._tables = None

    def read_again(self) -> None:
        """Inside ``same_bindings``: read them once more."""
        self._tables = {}

    def get_table(self, exchange: str) -> Any:
        if self._tables is None:
            return super().get_table(exchange)
        if exchange not in self._tables:
            self._tables[exchange] = super().get_table(exchange)
        return self._tables[exchange]

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        keys = unacked_keys("ingest", service_of(queue))
        tag = message["properties"]["delivery_tag"]
        # Without an exchange it is put back into this queue alone, not into those of other services.
        note = dumps([message, "", queue])
        priority = self._get_message_priority(message, reverse=False)
        with self.conn_or_acquire() as client, client.pipeline() as together:
            together.zadd(keys["unacked_index_key"], {tag: time.time()})
            together.hset(keys["unacked_key"], tag, note)
            together.lpush(self._q_for_pri(queue, priority), dumps(message))
            together.execute()


class RelayTransport(redis.Transport):
    Channel = RelayChannel


class HintChannel(Channel):
    """The channel of hints, for Celery and for their senders.

    Hints are not noted: the sweep repeats lost ones. When the connection is lost, kombu would put
    unacknowledged messages back over the connection that it has just closed, and the AttributeError
    of that ends the Celery worker (kombu 5.7, on closing a channel).
    """

    ack_emulation = False
    do_restore = False


class HintTransport(redis.Transport):
    Channel = HintChannel
