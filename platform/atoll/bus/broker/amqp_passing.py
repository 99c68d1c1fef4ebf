"""The passing queue: new messages pass a backlog that stands in the service's own queues.

A queue is first in, first out. When a consumer finds thousands of messages in its service's queues, it
makes an exclusive queue of its own, binds it like the others, and takes from it first. New messages then
come twice, early and late, and the inbox drops the late copies. The passing queue never has the only copy,
so nothing depends on it: it ends with the connection, or when the backlog is gone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from amqp.exceptions import AccessRefused, ChannelError
from kombu import Connection, Consumer, Queue

from atoll.bus.broker.topology import Topology
from atoll.bus.handlers import known
from atoll.ids import uuid7

log = structlog.get_logger("atoll.bus")

# A queue with so many messages has a backlog, until it has few.
MANY, FEW = 1000, 100
PREFETCH = 50


class PassingQueue:
    """Belongs to the thread of one consumer. Its methods raise the connection's errors."""

    def __init__(self, connection: Connection, names: Topology, on_message: Callable[[Any], None]) -> None:
        self._connection = connection
        self._names = names
        self._on_message = on_message
        self._channel: Any = None
        self._is_refused = False

    @property
    def is_open(self) -> bool:
        return self._channel is not None

    def look(self, queues: Sequence[str], channel: Any) -> None:
        """Open or close it by the number of messages in the service's own queues.

        It stays closed where a handler is ordered: every copy must be stored in its turn.
        """
        waiting = max(int(channel.queue_declare(name, passive=True).message_count) for name in queues)
        if self.is_open and (waiting < FEW or known.roster().has_ordered):
            self.close()
        elif not self.is_open and waiting >= MANY and not known.roster().has_ordered:
            self._open(waiting)

    def close(self) -> None:
        """Messages in it have copies in the service's own queues."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
            log.info("passing queue closed")

    def _open(self, waiting: int) -> None:
        if self._is_refused:
            return
        channel = self._connection.channel()
        name = f"{self._names.passing_prefix}{uuid7().hex}"
        try:
            queue = Queue(name, exclusive=True, durable=False, auto_delete=True)(channel)
            queue.queue_declare()
            for pattern in sorted(known.roster().patterns()):
                queue.bind_to(self._names.events.name, routing_key=pattern)
            queue.bind_to(self._names.commands.name, routing_key=self._names.service)
            consumer = Consumer(
                channel, [queue], on_message=self._on_message, prefetch_count=PREFETCH, accept=None
            )
            consumer.consume()
        except (AccessRefused, ChannelError) as refusal:
            # Made by an earlier version, the service's user may lack the permission.
            self._is_refused = True
            log.warning("new messages wait behind a backlog: no passing queue", reason=str(refusal))
            return
        self._channel = channel
        log.info("passing queue opened, new messages go first", waiting=waiting)
