"""Queues and bindings that are there before anything is published, and that come back when
somebody has deleted them.

A publisher looks after the queues of its own service and, as far as the broker lets it, of those
that receive what it publishes by the document of contracts. So a message for a service that has
never run waits in that service's queue, and a lost binding is back before the next message: the
known receivers of a batch are bound on the channel that publishes it, just before.
docs/decisions/0040 has the reasons, the permissions that it takes, and what is left.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from amqp.exceptions import AccessRefused, NotFound
from django.core.exceptions import ImproperlyConfigured
from kombu import Connection, Queue

from atoll import conf
from atoll.bus.broker import subscribers
from atoll.bus.broker.subscribers import Address, Receivers
from atoll.bus.broker.topology import Topology

log = structlog.get_logger("atoll.bus")

NEVER_UP = (
    "{0} receives it and has no queue at the broker, which does not let this service make one. "
    "It waits until a worker of {0} has started."
)


class Bindings:
    """What one connection looks after.

    ``receivers`` are the known ones of what this service publishes. ``held`` says, by address,
    why nothing may be published there now: a receiver would not get it.
    """

    def __init__(self, connection: Connection, names: Topology) -> None:
        self._connection = connection
        self._names = names
        self._is_amqp = connection.transport.driver_type == "amqp"
        self._spare: Any = None
        self._told: set[str] = set()
        self._not_ours: set[str] = set()
        self.receivers: Receivers = {}
        self.held: dict[Address, str] = {}

    def make(self) -> None:
        """Make what is missing; costs a few round trips when nothing is.

        Raises the connection's errors, Mismatch, and AccessRefused when the broker refuses this
        service its own queues.
        """
        self.restore_exchanges()
        self._names.declare_queues(self._channel(), exact_matching=self._is_amqp)
        self.receivers = subscribers.of(self._names.service)
        self._not_ours.clear()
        self.held = self._bind_all(self.receivers)

    def renew(self, channel: Any, addresses: Iterable[Address]) -> None:
        """Bind the known receivers of these once more, on the channel that publishes next.

        The broker is not waited for. It does one thing of a channel after the other, so that the
        bindings are there when the first message comes, whoever deleted them before.
        """
        for address in addresses:
            exchange = self._names.exchange_of(address.kind).name
            services = () if address in self.held else self.receivers.get(address, ())
            for service in services:
                queue = self._queue(service, address.kind)
                if queue.name not in self._not_ours:
                    channel.queue_bind(queue.name, exchange, address.key, nowait=True)

    def restore_exchanges(self) -> None:
        """An exchange takes its bindings with it when it is deleted: who makes it anew binds every
        receiver on the platform before others publish to it, as far as the broker allows."""
        if not self._is_amqp:
            self._names.declare_exchanges(self._channel())
            return
        missing = [
            exchange.name
            for exchange in (self._names.events, self._names.commands)
            if not self._is_there(exchange)
        ]
        if missing:
            log.warning("exchange missing at the broker, making it", exchanges=missing)
            self._names.declare_exchanges(self._channel())
            self._bind_all(subscribers.of_all(), may_make=False)

    def _bind_all(self, receivers: Receivers, *, may_make: bool = True) -> dict[Address, str]:
        """Bind the queues of receivers, which are made when they are missing, if they may be."""
        held: dict[Address, str] = {}
        for service, addresses in subscribers.by_service(receivers).items():
            if service != self._names.service and (reason := self._bind(service, addresses, may_make)):
                held |= dict.fromkeys(addresses, reason)
        return held

    def _bind(self, service: str, addresses: Sequence[Address], may_make: bool) -> str:
        """Why the service would not get what is published there; empty when it will."""
        for kind in ("event", "command"):
            keys = [address.key for address in addresses if address.kind == kind]
            if not keys:
                continue
            queue = self._queue(service, kind)
            is_there = self._is_there(queue) or (may_make and self._may_make(queue))
            if not is_there:
                return NEVER_UP.format(service)
            self._bind_queue(queue, self._names.exchange_of(kind).name, keys)
        return ""

    def _bind_queue(self, queue: Queue, exchange: str, keys: Sequence[str]) -> None:
        """A binding that the broker refuses to us is left to the queue's owner."""
        theirs = queue(self._channel())
        try:
            for key in keys:
                theirs.bind_to(exchange, routing_key=key)
        except AccessRefused as refusal:
            self._not_ours.add(queue.name)
            self._tell(queue.name, "the broker does not let us bind the queue of a receiver", refusal)

    def _queue(self, service: str, kind: str) -> Queue:
        """As its owner declares it."""
        theirs = Topology(service, self._names.prefix, _queue_type(service, self._names.queue_type))
        return theirs.event_queue if kind == "event" else theirs.command_queue

    def _may_make(self, queue: Queue) -> bool:
        try:
            queue(self._channel()).queue_declare()
        except AccessRefused as refusal:
            self._tell(queue.name, "the broker does not let us make the queue of a receiver", refusal)
            return False
        return True

    def _is_there(self, entity: Any) -> bool:
        """Whether the broker has it; asking takes no permission. Redis has every queue."""
        if not self._is_amqp:
            return True
        bound = entity(self._channel())
        try:
            (bound.queue_declare if isinstance(entity, Queue) else bound.declare)(passive=True)
        except NotFound:
            return False
        return True

    def _tell(self, queue: str, event: str, refusal: AccessRefused) -> None:
        """Once, and not again every few seconds."""
        if (told := f"{event} {queue}") not in self._told:
            self._told.add(told)
            log.error(event, queue=queue, reason=refusal.reply_text)

    def _channel(self) -> Any:
        """One of our own: a refusal closes it, and must not close what others work with."""
        if self._spare is None or (self._is_amqp and not self._spare.is_open):
            self._spare = self._connection.channel()
        return self._spare


def _queue_type(service: str, ours: str) -> str:
    """As its owner would declare its queues."""
    try:
        project = conf.project_of_service(service)
    except ImproperlyConfigured:
        return ours
    return conf.variable("BUS_QUEUE_TYPE", project.name) or "classic"
