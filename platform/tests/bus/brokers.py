"""What others may do at a broker behind the back of the bus, for each kind of broker."""

from typing import Any, Protocol

import amqp

from atoll.bus.broker import transports
from atoll.bus.broker.amqp import Amqp
from atoll.bus.broker.redis import Redis


class Broker(Protocol):
    """Of the running project."""

    def delete_event_exchange(self) -> None: ...

    def is_bound(self, event: str) -> bool:
        """Whether a queue takes the event."""


class RabbitMQ:
    def delete_event_exchange(self) -> None:
        transport = transports.current()
        with transport.connect("test") as opened:
            transport.names.events(opened.channel()).delete()

    def is_bound(self, event: str) -> bool:
        """The message that it publishes is none that counts."""
        transport = transports.current()
        returned: list[object] = []
        with transport.connect("test") as opened:
            channel: Any = opened.channel()
            channel.events["basic_return"].add(lambda *arguments: returned.append(arguments))
            try:
                channel.basic_publish_confirm(
                    amqp.Message(b"{}"), transport.names.events.name, event, mandatory=True
                )
            except amqp.NotFound:
                return False
        return not returned


class Valkey:
    def delete_event_exchange(self) -> None:
        transport = transports.current()
        with transport.connect("test") as opened:
            channel: Any = opened.channel()
            transport.names.declare_exchanges(channel)
            for table in (channel.keyprefix_queue, channel.keyprefix_binding_permanent):
                channel.client.delete(table % (transport.names.events.name,))

    def is_bound(self, event: str) -> bool:
        transport = transports.current()
        with transport.connect("test") as opened:
            channel: Any = opened.channel()
            return any(key == event for key, *_ in channel.get_table(transport.names.events.name))


BROKERS: dict[type, Broker] = {Amqp: RabbitMQ(), Redis: Valkey()}


def current() -> Broker:
    return BROKERS[type(transports.current())]
