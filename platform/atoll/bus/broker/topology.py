"""The names and declarations of queues and exchanges, the same for every transport."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from amqp.exceptions import PreconditionFailed
from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue

from atoll import conf
from atoll.bus.handlers import known
from atoll.bus.topic_match import is_pattern

# A lost connection counts as a failed delivery of its unacknowledged messages; by default RabbitMQ 4
# drops a message at the 21st. -1 means "no limit" to 4.x, but "drop at the first" to 3.x. No message
# reaches this number, and both take it as it is.
QUORUM = {"x-queue-type": "quorum", "x-delivery-limit": 2**31 - 1}


class Mismatch(ImproperlyConfigured):
    """The broker has a queue or exchange of that name already, with other arguments than ours."""


@dataclass(frozen=True)
class Topology:
    """The queues and exchanges of one service; ``prefix`` keeps several platforms on one broker apart."""

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
    def passing_prefix(self) -> str:
        """The names of the service's passing queues begin with it (amqp_passing.py)."""
        return f"{self.prefix}pass.{self.service}."

    @property
    def work_queue(self) -> Queue:
        """Hints for the service's Celery workers."""
        name = f"{self.prefix}work.{self.service}"
        return self._queue(name, routing_key=name)

    @property
    def control(self) -> str:
        """Celery's name of the exchange for `celery inspect` and `celery control`. Each service has its own:
        a client that may write there may stop its workers."""
        return f"{self.prefix}ctl.{self.service}"

    @property
    def task_events(self) -> str:
        """The exchange of Celery's task events, which are off by default."""
        return f"{self.control}.celeryev"

    def exchange_of(self, kind: str) -> Exchange:
        return self.events if kind == "event" else self.commands

    def queues_by_exchange(self) -> dict[str, str]:
        """The name of the service's queue behind each exchange."""
        return {
            self.events.name: self.event_queue.name,
            self.commands.name: self.command_queue.name,
        }

    def declare_exchanges(self, channel: Any) -> None:
        """Durable and without arguments: any client that declares them the plain way agrees.
        Raises Mismatch."""
        for exchange in (self.events, self.commands):
            with self._explaining(f"exchange {exchange.name}"):
                exchange(channel).declare()

    def declare_queues(self, channel: Any, *, exact_matching: bool) -> list[Queue]:
        """The service's two queues, declared, and bound for every known handler; bindings of handlers that
        are gone are removed. Raises Mismatch.

        Without exact matching a service with patterns gets every event, and the inbox picks with its
        own matcher.
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
        """Declare exchanges and queues, bind nothing. Raises Mismatch while a person is there to see it."""
        self.declare_exchanges(channel)
        for queue in (self.event_queue, self.command_queue, self.work_queue):
            self._declare(queue(channel))

    def _declare(self, queue: Queue) -> None:
        with self._explaining(f"queue {queue.name}"):
            queue.queue_declare()

    @contextmanager
    def _explaining(self, entity: str) -> Iterator[None]:
        try:
            yield
        except PreconditionFailed as error:
            raise Mismatch(
                f"The {entity} is on the broker already, but declared in another way "
                f"(BUS_QUEUE_TYPE is {self.queue_type} here): {error.reply_text}. A declared queue cannot be "
                "changed. Stop the workers of all services; their outboxes keep the messages. "
                f"Once the {entity} is empty delete it (rabbitmqctl delete_queue), then start them again."
            ) from error

    def _queue(self, name: str, **options: Any) -> Queue:
        arguments = QUORUM if self.queue_type == "quorum" else None
        return Queue(name, durable=True, queue_arguments=arguments, **options)


def _coarse(patterns: set[str]) -> set[str]:
    return {"#"} if any(is_pattern(pattern) for pattern in patterns) else patterns


def of_project(project: conf.Project) -> Topology:
    """The topology of a project on RabbitMQ; it need not be the running project."""
    return Topology(service=project.service, prefix=conf.options.BUS_PREFIX.value())
