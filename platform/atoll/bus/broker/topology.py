"""Names, declarations and connections: the same on RabbitMQ and on kombu's Redis transport."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from amqp.exceptions import AccessRefused, ChannelError, IrrecoverableConnectionError, PreconditionFailed
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError
from kombu import Connection, Exchange, Queue
from kombu.exceptions import OperationalError as BrokerAway

from atoll import conf
from atoll.bus.handlers import known
from atoll.bus.topic_match import is_pattern

HEARTBEAT_S = 30
CONNECT_TIMEOUT_S = 5
# Past this a write to the broker counts as a broken connection: RabbitMQ stops
# reading from publishers while it is short of memory or disk.
WRITE_TIMEOUT_S = 10
# On Redis: what was published this long ago and is not acknowledged is put back into its queue.
# Ample, since what is taken is acknowledged as soon as it is stored.
VISIBILITY_TIMEOUT_S = 12

# A lost connection counts as a failed delivery of all that it had not acknowledged: by default
# RabbitMQ 4 drops such a message the 21st time. -1 would mean "no limit" to 4.x, but "drop it the
# first time" to 3.x; this number, which no message reaches, both take for what it is.
QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 2**31 - 1}


class Mismatch(ImproperlyConfigured):
    """A queue or exchange of that name is on the broker already, and is another than ours."""


@dataclass(frozen=True)
class Topology:
    """Where one service's messages go; ``BUS_PREFIX`` keeps several platforms on one broker apart."""

    service: str
    prefix: str = ""
    queue_type: str = "classic"

    @property
    def events(self) -> Exchange:
        return Exchange(f"{self.prefix}events", type="topic", durable=True)

    @property
    def commands(self) -> Exchange:
        return Exchange(f"{self.prefix}commands", type="direct", durable=True)

    @property
    def event_queue(self) -> Queue:
        return self._queue(f"{self.prefix}evt.{self.service}")

    @property
    def command_queue(self) -> Queue:
        return self._queue(f"{self.prefix}cmd.{self.service}")

    @property
    def work_queue(self) -> Queue:
        """Hints for the service's Celery workers."""
        name = f"{self.prefix}work.{self.service}"
        return self._queue(name, routing_key=name)

    @property
    def control(self) -> str:
        """Celery's name for what `celery inspect` and `celery control` use. Each service has its own:
        who may write there may stop its workers."""
        return f"{self.prefix}ctl.{self.service}"

    @property
    def task_events(self) -> str:
        """The exchange of Celery's task events, which are off by default."""
        return f"{self.control}.celeryev"

    def exchange_of(self, kind: str) -> Exchange:
        return self.events if kind == "event" else self.commands

    def declare_exchanges(self, channel: Any) -> None:
        """Durable and without arguments: any client that declares them the plain way agrees.
        Raises Mismatch."""
        for exchange in (self.events, self.commands):
            with self._explaining(f"exchange {exchange.name}"):
                exchange(channel).declare()

    def declare_queues(self, channel: Any, *, exact_matching: bool) -> list[Queue]:
        """The service's two queues, bound for every handler that the service knows; ready to be
        consumed. What nobody takes any more is unbound. Raises Mismatch.

        Where the transport's matching is not AMQP's, a service with patterns gets
        every event and the inbox picks with its own matcher.
        """
        self.declare_exchanges(channel)
        queues = [self.event_queue(channel), self.command_queue(channel)]
        for queue in queues:
            self._declare(queue)
        roster = known.roster()
        wanted, former = roster.patterns(), roster.former_patterns()
        if not exact_matching:
            wanted, former = _coarse(wanted), _coarse(former)
        for pattern in sorted(wanted):
            queues[0].bind_to(self.events.name, routing_key=pattern)
        for pattern in sorted(former - wanted):
            queues[0].unbind_from(self.events, routing_key=pattern)
        queues[1].bind_to(self.commands.name, routing_key=self.service)
        return queues

    def refuse_mismatch(self, channel: Any) -> None:
        """Declare what carries no message by itself; raises Mismatch, as a late error would not be seen."""
        self.declare_exchanges(channel)
        for queue in (self.event_queue, self.command_queue, self.work_queue):
            self._declare(queue(channel))

    def _declare(self, queue: Queue) -> None:
        with self._explaining(f"queue {queue.name}"):
            queue.queue_declare()

    @contextmanager
    def _explaining(self, what: str) -> Iterator[None]:
        try:
            yield
        except PreconditionFailed as error:
            raise Mismatch(
                f"The {what} is on the broker already, but declared in another way "
                f"(BUS_QUEUE_TYPE is {self.queue_type} here): {error.reply_text}. A declared queue cannot be "
                "changed. Stop the workers of all services, whose outboxes keep what they have to say; "
                f"once the {what} is empty delete it (rabbitmqctl delete_queue), then start them again."
            ) from error

    def _queue(self, name: str, **options: Any) -> Queue:
        arguments = QUORUM if self.queue_type == "quorum" else None
        return Queue(name, durable=True, queue_arguments=arguments, **options)


def _coarse(patterns: set[str]) -> set[str]:
    return {"#"} if any(is_pattern(pattern) for pattern in patterns) else patterns


def of_project(project: conf.Project) -> Topology:
    """The topology of a project on RabbitMQ, whichever project runs here, if any does."""
    return Topology(service=project.service, prefix=_prefix())


def _prefix() -> str:
    return conf.variable("BUS_PREFIX") or ""


def current() -> Topology:
    """The topology of the running project."""
    return Topology(
        service=settings.ATOLL_SERVICE,
        prefix="" if is_redis(broker_url()) else _prefix(),
        queue_type=conf.variable("BUS_QUEUE_TYPE", settings.ATOLL_PROJECT) or "classic",
    )


def broker_url() -> str:
    """The broker of the running project, with the account it has there."""
    return conf.broker_url(settings.ATOLL_PROJECT)


def is_redis(url: str) -> bool:
    return url.startswith(("redis", "valkey"))


def weather() -> tuple[type[BaseException], ...]:
    """What a broker or database raises that is away, or set up otherwise.

    Anything else is a mistake in the program.
    """
    broker = connect("weather")
    return (
        *broker.connection_errors,
        *broker.channel_errors,
        BrokerAway,
        OperationalError,
        InterfaceError,
        Mismatch,
    )


def is_away(error: BaseException) -> bool:
    """Of ``weather``: whether a server did not answer, rather than answered that something is wrong."""
    return not isinstance(error, (ChannelError, IrrecoverableConnectionError, Mismatch))


def connect(
    purpose: str, *, redis_transport: str = "Transport", heartbeat_s: int = HEARTBEAT_S
) -> Connection:
    """An unopened connection of our own, named after the service and its purpose.

    ``redis_transport`` names a class of ``atoll.bus.broker.redis_transport``. With a heartbeat, whoever
    holds the connection has to look after it every few seconds; 0 is none.
    """
    url = broker_url()
    if is_redis(url):
        options = redis_options() | unacked_keys(purpose, settings.ATOLL_SERVICE)
        transport = f"atoll.bus.broker.redis_transport:{redis_transport}"
        return Connection(url, transport=transport, transport_options=options)
    return Connection(
        url,
        transport=amqp_transport(url),
        heartbeat=heartbeat_s,
        connect_timeout=CONNECT_TIMEOUT_S,
        transport_options={
            "write_timeout": WRITE_TIMEOUT_S,
            "client_properties": {"connection_name": f"{settings.ATOLL_SERVICE} {purpose}"},
        },
    )


def amqp_transport(url: str) -> str:
    """The class that no message can stop, for kombu's and Celery's connections."""
    name = "SSLTransport" if url.startswith("amqps") else "Transport"
    return f"atoll.bus.broker.amqp_transport:{name}"


def refuse_mismatch() -> None:
    """At a start, while somebody looks. Raises Mismatch, and ImproperlyConfigured for credentials
    that RabbitMQ refuses; a broker that is away is left for later."""
    if is_redis(broker_url()):
        return
    broker: Any = connect("start")
    try:
        broker.connect()
        broker.connection.sock.settimeout(CONNECT_TIMEOUT_S)
        current().refuse_mismatch(broker.channel())
    except AccessRefused as error:
        raise ImproperlyConfigured(f"RabbitMQ refuses RABBITMQ_URL: {error.reply_text}") from error
    except (*broker.connection_errors, *broker.channel_errors, BrokerAway):
        return
    finally:
        broker.collect()


def service_of(queue: str) -> str:
    """The service a queue belongs to, on the Redis transport: of ``cmd.order-service``, ``order-service``."""
    return queue.partition(".")[2]


def unacked_keys(purpose: str, service: str) -> dict[str, str]:
    """Where kombu's Redis transport notes what one kind of consumer of a service has not acknowledged."""
    key = f"unacked.{purpose}.{service}"
    return {"unacked_key": key, "unacked_index_key": f"{key}.index"}


def redis_options() -> dict[str, Any]:
    """For kombu's Redis transport; no wait for the server is without end."""
    return {
        "global_keyprefix": conf.variable("BUS_PREFIX") or "",
        # Ingest puts back by the clock; kombu would look after every poll that found nothing.
        "unacked_restore_throttle": sys.maxsize,
        "socket_timeout": CONNECT_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "queue_order_strategy": "round_robin",
        "socket_keepalive": True,
        # A connection that went dead without a word is replaced after about twice this many seconds.
        "health_check_interval": 5,
    }
