"""What the bus asks of a broker.

Each kind of broker is one class that derives from ``Transport``; the table in ``transports`` chooses
one by the scheme of RABBITMQ_URL. ``atoll.testing.conformance`` holds every transport to this page.

A transport promises:

- *Publishing.* The broker has stored each message that ``Outcome.published`` names. The outcome names
  refused messages with a reason; a message that it does not name is in doubt and is published again.
- *Routing.* An event reaches every queue that is bound to its name, a command the queue of one service.
  A command that no queue takes is refused, not dropped.
- *Prefetch.* A consumer holds at most as many unacknowledged messages as it asked for.
- *Order.* Messages of one publisher reach one consumer in the order of publishing.
- *Redelivery.* An unacknowledged message of a consumer that ended or died comes back in that order;
  an acknowledged one never does.
- *Poison.* No message ends a connection: an undecodable one arrives with its bytes and a ``problem``.
- *Waiting.* No call waits for the broker without end: each has a time-out of seconds.

A transport does not promise:

- that a message comes once: the inbox drops copies;
- that hints arrive: they are neither confirmed nor written to disk, and the sweep replaces lost ones;
- that a connection lasts: a broken one raises ``transient_errors``, and its owner opens another.

``Capabilities`` says where transports differ.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from amqp.exceptions import ChannelError, IrrecoverableConnectionError
from django.db import InterfaceError, OperationalError
from kombu import Connection
from kombu.exceptions import OperationalError as BrokerAway

from atoll.bus.broker.consumer import Consumer
from atoll.bus.broker.publisher import Publisher
from atoll.bus.broker.topology import Mismatch, Topology

HEARTBEAT_S = 30
CONNECT_TIMEOUT_S = 5


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """Where transports differ, within what the bus can live with."""

    # False: a service with patterns is given every event, and the inbox picks with its own matcher.
    exact_matching: bool = True
    # True: a message that waits when a consumer starts may come in several copies.
    returns_copies: bool = False
    # Unacknowledged messages of a dead consumer reach a new consumer at once, a running one within this.
    redelivery_s: float = 0.0
    # Confirmed messages survive a crash of the broker's machine.
    is_durable: bool = True
    # The broker authenticates senders and vouches for them (AMQP's user_id).
    proves_senders: bool = False
    # A declared queue tells how many processes consume it.
    counts_consumers: bool = False


class Transport(ABC):
    """One service's access to one broker; opens connections and keeps none."""

    capabilities: ClassVar[Capabilities]

    def __init__(self, url: str, *, service: str, prefix: str = "", queue_type: str = "classic") -> None:
        """``prefix`` keeps several platforms on one broker apart."""
        self.url = url
        self.names = Topology(service, prefix, queue_type)

    @abstractmethod
    def connect(self, purpose: str) -> Connection:
        """An unopened connection of kombu, named after the service and its purpose.

        Its holder calls ``heartbeat_check`` every few seconds.
        """

    @abstractmethod
    def open_publisher(self) -> Publisher:
        """Connect. Raises OSError or one of the connection's errors when the broker is away."""

    @abstractmethod
    def consumer(self) -> Consumer:
        """An unopened consumer of the service's two queues."""

    @abstractmethod
    def hint_connection(self) -> Connection:
        """An unopened connection for publishing hints. It needs no care while nothing is sent."""

    @abstractmethod
    def celery_settings(self) -> dict[str, Any]:
        """The settings with which Celery reaches the broker: URL, kombu's transport, its options."""

    @classmethod
    @abstractmethod
    def celery_problems(cls, settings: Any) -> list[str]:
        """Each of ``celery_settings`` that an application has changed for the worse, with the reason."""

    def refuse_mismatch(self) -> None:  # noqa: B027  most brokers have nothing to compare
        """Called at a start, when a person sees the error. A broker that is away is left for later.

        Raises Mismatch when the broker's queues differ from ours, and ImproperlyConfigured for
        credentials that it refuses.
        """

    @property
    def transient_errors(self) -> tuple[type[BaseException], ...]:
        """The errors of a broker or database that is away, or that is set up in another way.

        Any other error is a mistake in the program.
        """
        broker = self.connect("errors")
        return (
            *broker.connection_errors,
            *broker.channel_errors,
            BrokerAway,
            OperationalError,
            InterfaceError,
            Mismatch,
        )

    def is_away(self, error: BaseException) -> bool:
        """Whether a transient error means that a server did not answer, not that it refused something."""
        return not isinstance(error, (ChannelError, IrrecoverableConnectionError, Mismatch))
