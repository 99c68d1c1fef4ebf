"""A service's end of its two queues, as ingest uses it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import kombu

from atoll.bus.broker.bindings import Bindings
from atoll.bus.broker.messages import Arrival


class Consumer(ABC):
    """One connection, used by one thread: ``open``, ``start``, then ``take`` and ``acknowledge`` in turn.

    Every method but ``close`` raises the connection's errors.
    """

    @abstractmethod
    def open(self) -> None:
        """Connect; nothing is consumed yet."""

    @property
    def lets_new_pass(self) -> bool:
        """Whether new messages do not wait behind the old ones that are taken."""
        return False

    @abstractmethod
    def start(self, prefetch: int) -> Sequence[str]:
        """Declare and bind the service's queues and begin to consume; the names of the queues.

        Raises Mismatch.
        """

    @abstractmethod
    def take(self, limit: int, timeout_s: float) -> list[Arrival]:
        """Wait up to ``timeout_s`` for a message; take it and those that are there already."""

    @abstractmethod
    def in_hand(self) -> list[Arrival]:
        """All messages that came and are not acknowledged."""

    @abstractmethod
    def acknowledge(self) -> None:
        """Acknowledge all messages that were taken."""

    @abstractmethod
    def restore(self) -> None:
        """Declare and bind again: somebody may have deleted a queue, or the handlers may have changed."""

    @abstractmethod
    def keep_alive(self) -> None:
        """Call every few seconds from ``open`` on."""

    @abstractmethod
    def close(self) -> None:
        """Unacknowledged messages go back to the broker."""


class KombuConsumer(Consumer):
    """What the transports over kombu share."""

    # How long to wait for one more message when there is one.
    linger_s: ClassVar[float] = 0.0

    def __init__(self, connection: kombu.Connection, bindings: Bindings) -> None:
        self._connection = connection
        self._bindings = bindings
        self._channel: Any = None
        self._queues: dict[str, str] = {}
        self._arrived: list[Any] = []
        self._taken: list[Any] = []

    def open(self) -> None:
        self._connection.connect()

    def start(self, prefetch: int) -> Sequence[str]:
        self._channel = self._connection.channel()
        self._bindings.restore_exchanges()
        queues = self._bindings.declare_queues(self._channel)
        self._queues = self._bindings.names.queues_by_exchange()
        self._put_back()
        self._consumer = kombu.Consumer(
            self._channel, queues, on_message=self._arrived.append, prefetch_count=prefetch, accept=None
        )
        self._consumer.consume()
        return [queue.name for queue in queues]

    def take(self, limit: int, timeout_s: float) -> list[Arrival]:
        # A message may have come while bindings were made again.
        wait_s = self.linger_s if self._waiting() else timeout_s
        while self._waiting() < limit:
            try:
                self._connection.drain_events(timeout=wait_s)
            except TimeoutError:
                break
            wait_s = self.linger_s
        taken = self._pick(limit)
        self._taken += taken
        return [self._arrival(message) for message in taken]

    def in_hand(self) -> list[Arrival]:
        return [self._arrival(message) for message in (*self._taken, *self._arrived)]

    def acknowledge(self) -> None:
        self._acknowledge(self._taken)
        self._taken.clear()

    def restore(self) -> None:
        self._bindings.restore_exchanges()
        self._bindings.declare_queues(self._channel)

    def close(self) -> None:
        try:
            self._connection.close()
        except (*self._connection.connection_errors, *self._connection.channel_errors):
            self._connection.collect()

    def _put_back(self) -> None:
        """Put back into the queues the messages of consumers that have ended."""

    @abstractmethod
    def _acknowledge(self, messages: Sequence[Any]) -> None: ...

    def _waiting(self) -> int:
        return len(self._arrived)

    def _pick(self, limit: int) -> list[Any]:
        """Take messages out of those that came, ``limit`` at most."""
        picked = self._arrived[:limit]
        del self._arrived[:limit]
        return picked

    def _arrival(self, message: Any) -> Arrival:
        """Without a known exchange, the routing key is the queue's name."""
        info = message.delivery_info or {}
        body = message.body or b""
        routing_key = str(info.get("routing_key") or "")
        properties = {k: v for k, v in (message.properties or {}).items() if k != "application_headers"}
        return Arrival(
            queue=self._queues.get(str(info.get("exchange")), routing_key),
            routing_key=routing_key,
            body=body.encode(errors="replace") if isinstance(body, str) else bytes(body),
            properties=properties,
            headers=dict(message.headers or {}),
            problem=message.problem,
            is_redelivered=bool(info.get("redelivered")),
        )
