"""Queues and bindings on RabbitMQ, where others may delete them and permissions may forbid making them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import structlog
from amqp.exceptions import AccessRefused, NotFound
from kombu import Connection, Queue

from atoll.bus.broker import subscribers
from atoll.bus.broker.bindings import Bindings
from atoll.bus.broker.subscribers import Address
from atoll.bus.broker.topology import Topology

log = structlog.get_logger("atoll.bus")


class AmqpBindings(Bindings):
    def __init__(self, connection: Connection, names: Topology) -> None:
        super().__init__(connection, names, exact_matching=True)
        self._logged: set[str] = set()
        self._not_ours: set[str] = set()
        self._exchange_names = {kind: names.exchange_of(kind).name for kind in ("event", "command")}

    def make(self) -> None:
        self._not_ours.clear()
        super().make()

    def renewals(self, addresses: Iterable[Address]) -> Iterator[tuple[str, str, str]]:
        """Queue, exchange and key of each known receiver of these addresses, to be bound once more on the
        channel that publishes next.

        Nothing waits for the broker. It does the commands of one channel in order, so that the bindings
        are there when the first message comes, even if somebody deleted them before.
        """
        for address in addresses:
            exchange = self._exchange_names[address.kind]
            services = () if address in self.held else self.receivers.get(address, ())
            for service in services:
                queue = self._queue(service, address.kind).name
                if queue not in self._not_ours:
                    yield queue, exchange, address.key

    def restore_exchanges(self) -> None:
        """A deleted exchange takes its bindings with it: the connection that makes it anew binds every
        receiver on the platform before others publish to it, as far as the broker allows."""
        exchanges = (self.names.events, self.names.commands)
        missing = [exchange.name for exchange in exchanges if not self._is_there(exchange)]
        if missing:
            log.warning("exchange missing at the broker, making it", exchanges=missing)
            super().restore_exchanges()
            self._bind_all(subscribers.of_all(), may_make=False)

    def _make(self, queue: Queue, *, may_make: bool) -> bool:
        if self._is_there(queue):
            return True
        if not may_make:
            return False
        try:
            queue(self._channel()).queue_declare()
        except AccessRefused as refusal:
            self._log_once(queue, "the broker does not let us make the queue of a receiver", refusal)
            return False
        return True

    def _bind_queue(self, queue: Queue, exchange: str, keys: Sequence[str]) -> None:
        """A binding that the broker refuses to us is left to the queue's owner."""
        try:
            super()._bind_queue(queue, exchange, keys)
        except AccessRefused as refusal:
            self._not_ours.add(queue.name)
            self._log_once(queue, "the broker does not let us bind the queue of a receiver", refusal)

    def _is_there(self, entity: Any) -> bool:
        """Whether the broker has the queue or exchange; asking takes no permission."""
        bound = entity(self._channel())
        try:
            (bound.queue_declare if isinstance(entity, Queue) else bound.declare)(passive=True)
        except NotFound:
            return False
        return True

    def _log_once(self, queue: Queue, event: str, refusal: AccessRefused) -> None:
        if (logged := f"{event} {queue.name}") not in self._logged:
            self._logged.add(logged)
            log.error(event, queue=queue.name, reason=refusal.reply_text)

    def _channel(self) -> Any:
        if self._spare is not None and not self._spare.is_open:
            self._spare = None
        return super()._channel()
