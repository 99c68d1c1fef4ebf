"""Queues and bindings that exist before anything is published, and that are made again when
somebody has deleted them.

A publisher looks after the queues of its own service and, as far as the broker lets it, after the
queues of the receivers that the document of contracts names. So a message for a service that has
never run waits in that service's queue. docs/decisions/0040 has the reasons and the permissions
that it takes.
"""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from kombu import Connection, Queue

from atoll import conf
from atoll.bus.broker import subscribers
from atoll.bus.broker.subscribers import Address, Receivers
from atoll.bus.broker.topology import Topology
from atoll.conf import options

NEVER_UP = (
    "{0} receives it and has no queue at the broker, which does not let this service make one. "
    "It waits until a worker of {0} has started."
)


class Bindings:
    """The queues and bindings that one connection looks after, on a channel of its own.

    ``receivers`` are the known receivers of this service's messages. ``held`` gives, by address, the
    reason why nothing may be published there now: a receiver would not get it.
    """

    def __init__(self, connection: Connection, names: Topology, *, exact_matching: bool) -> None:
        self.names = names
        self._connection = connection
        self._exact_matching = exact_matching
        self._spare: Any = None
        self._queues: dict[tuple[str, str], Queue] = {}
        self.receivers: Receivers = {}
        self.held: dict[Address, str] = {}

    def make(self) -> None:
        """Make missing exchanges, queues and bindings; a few round trips when none is missing.

        Raises the connection's errors, Mismatch, and AccessRefused when the broker refuses this
        service its own queues.
        """
        self.restore_exchanges()
        self.declare_queues(self._channel())
        self.receivers = subscribers.of(self.names.service)
        self.held = self._bind_all(self.receivers)

    def declare_queues(self, channel: Any) -> list[Queue]:
        """``Topology.declare_queues``, with patterns that this broker can match. Raises Mismatch."""
        return self.names.declare_queues(channel, exact_matching=self._exact_matching)

    def restore_exchanges(self) -> None:
        """Make the exchanges that are missing."""
        self.names.declare_exchanges(self._channel())

    def _bind_all(self, receivers: Receivers, *, may_make: bool = True) -> dict[Address, str]:
        """Bind the queues of receivers, which are made when they are missing, if they may be."""
        held: dict[Address, str] = {}
        for service, addresses in subscribers.by_service(receivers).items():
            if service != self.names.service and (reason := self._bind(service, addresses, may_make)):
                held |= dict.fromkeys(addresses, reason)
        return held

    def _bind(self, service: str, addresses: Sequence[Address], may_make: bool) -> str:
        """The reason why the service would not get messages of these addresses; empty when it will."""
        for kind in ("event", "command"):
            keys = [address.key for address in addresses if address.kind == kind]
            if not keys:
                continue
            queue = self._queue(service, kind)
            if not self._make(queue, may_make=may_make):
                return NEVER_UP.format(service)
            self._bind_queue(queue, self.names.exchange_of(kind).name, keys)
        return ""

    def _make(self, _queue: Queue, *, may_make: bool) -> bool:
        """Whether the broker has the queue now."""
        return True

    def _bind_queue(self, queue: Queue, exchange: str, keys: Sequence[str]) -> None:
        theirs = queue(self._channel())
        for key in keys:
            theirs.bind_to(exchange, routing_key=key)

    def _queue(self, service: str, kind: str) -> Queue:
        """As its owner declares it."""
        if (service, kind) not in self._queues:
            theirs = Topology(service, self.names.prefix, _queue_type(service, self.names.queue_type))
            self._queues[service, kind] = theirs.event_queue if kind == "event" else theirs.command_queue
        return self._queues[service, kind]

    def _channel(self) -> Any:
        """A channel of our own: a refusal closes it, and must not close the one that carries messages."""
        if self._spare is None:
            self._spare = self._connection.channel()
        return self._spare


def _queue_type(service: str, ours: str) -> str:
    """The type that the service declares its queues with."""
    try:
        project = conf.project_of_service(service)
    except ImproperlyConfigured:
        return ours
    return options.BUS_QUEUE_TYPE.value(project.name)
