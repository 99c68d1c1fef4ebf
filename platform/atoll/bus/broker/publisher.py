"""A relay's end of the broker: claimed outbox rows go out, many at a time."""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kombu import Connection

from atoll.bus.broker import envelope
from atoll.bus.broker.bindings import Bindings
from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.subscribers import Address

PREPARE_EVERY_S = 2.0
UNROUTABLE = "No queue on the broker takes commands for {}; has its worker ever run?"
UNBOUND = "The broker has no queue for it, and {} should receive it."
BEHIND = "An earlier message of its key waits: {}"


@dataclass
class Outcome:
    """The result of one batch. A row that is in none of the three is in doubt and must be sent again.

    ``unroutable`` rows would have missed a known receiver; nobody got them.
    """

    published: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    unroutable: dict[int, str] = field(default_factory=dict)
    error: BaseException | None = None


class Publisher(ABC):
    """One connection to the broker, used by one thread."""

    def prepare(self) -> None:  # noqa: B027  a broker in memory has nothing to prepare
        """Make the queues and bindings that are missing: this service's, and those of the known receivers
        of its messages. ``keep_alive`` then does it again every PREPARE_EVERY_S seconds.

        Raises the connection's errors, and Mismatch.
        """

    @abstractmethod
    def publish(self, rows: Sequence[Outgoing]) -> Outcome:
        """Publish in order. Never raises an error of the broker: see ``Outcome.error``."""

    def socket(self) -> Any | None:
        """The socket that becomes readable when the broker has something to say; None without one."""
        return None

    def keep_alive(self) -> None:  # noqa: B027
        """Call every few seconds, and when the socket is readable; raises when the connection is gone."""

    @abstractmethod
    def close(self) -> None: ...


class KombuPublisher(Publisher):
    """What the transports over kombu share."""

    _prepared_at: float | None = None

    def __init__(self, connection: Connection, bindings: Bindings) -> None:
        self._connection = connection
        self._bindings = bindings
        self._service = bindings.names.service
        self._errors = (*connection.connection_errors, *connection.channel_errors)
        self._exchanges = {kind: bindings.names.exchange_of(kind).name for kind in ("event", "command")}
        self._channel: Any = connection.channel()
        self._bindings.restore_exchanges()

    def prepare(self) -> None:
        self._bindings.make()
        self._prepared_at = time.monotonic()

    def keep_alive(self) -> None:
        if self._prepared_at is not None and time.monotonic() - self._prepared_at > PREPARE_EVERY_S:
            self.prepare()

    def close(self) -> None:
        try:
            self._connection.close()
        except self._errors:
            self._connection.collect()

    def _receivers(self, row: Outgoing) -> frozenset[str]:
        """The known receivers, by the document of contracts."""
        return self._bindings.receivers.get(address(row), frozenset())

    def _may_go(self, row: Outgoing, outcome: Outcome, waiting: dict[str, str]) -> bool:
        """Whether the row may be published now; notes the reason in ``outcome`` when it may not.

        ``waiting`` has the reason by key, for the later rows of a key: they keep their order.
        """
        reason = self._bindings.held.get(address(row))
        if reason is None and row.key in waiting:
            reason = BEHIND.format(waiting[row.key])
        if reason is None:
            return True
        outcome.unroutable[row.id] = reason
        if row.key:
            waiting.setdefault(row.key, reason)
        return False


def address(row: Outgoing) -> Address:
    return Address("command" if row.kind == "command" else "event", row.destination)


def properties(row: Outgoing, service: str) -> dict[str, Any]:
    """The AMQP properties and headers of a message, with ``service`` as its sender."""
    headers: dict[str, Any] = {
        "traceparent": envelope.traceparent(row.correlation_id, row.message_id, row.traceparent)
    }
    if row.key:
        # As text: past 31 bits py-amqp writes a type tag that makes other clients close the connection.
        headers |= {"x-atoll-key": row.key, "x-atoll-seq": str(row.key_sequence)}
    return {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "delivery_mode": 2,
        "message_id": str(row.message_id),
        "type": row.name,
        "app_id": service,
        "correlation_id": row.correlation_id,
        "timestamp": int(row.created_at.timestamp()),
        "application_headers": headers,
    }
