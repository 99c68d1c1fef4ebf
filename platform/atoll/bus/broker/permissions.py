"""The permissions that the RabbitMQ user of one service needs, and no more.

docs/decisions/0062 has the purpose of each, and the attacks that they cannot prevent.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from atoll.bus.broker import subscribers
from atoll.bus.broker.topology import Topology

# RabbitMQ's name, in permissions, for the exchange without a name. Hints go through it.
DEFAULT_EXCHANGE = "amq.default"
ANYTHING = ".*"
# A list that `topic` has written. A dot is the only character of routing keys that is escaped.
LIST = re.compile(r"\^\(((?:[\w-]|\\\.|\|)*)\)\$")


@dataclass(frozen=True)
class Permissions:
    """RabbitMQ's three regular expressions over the names of queues and exchanges."""

    configure: str
    write: str
    read: str


def of(names: Topology) -> Permissions:
    """For the service of ``names``: its own queues, both exchanges, and the queues of the receivers that
    the document of contracts names, which its relay makes and binds."""
    queues = [queue.name for queue in (names.event_queue, names.command_queue, names.work_queue)]
    own = [*queues, names.events.name, names.commands.name]
    used = [*map(_escaped, own), *_of_celery(names), rf"{_escaped(names.passing_prefix)}\w+"]
    theirs = [_escaped(queue) for queue in _receivers(names)]
    return Permissions(
        configure=_one_of((*used, *theirs)),
        write=_one_of((*used, *theirs, _escaped(DEFAULT_EXCHANGE))),
        read=_one_of(used),
    )


def topic(names: Topology, before: str) -> str:
    """The routing keys that the service may publish on `events`: those of its events by the document of
    contracts, and those that ``before`` allowed, since workers of an earlier version may still run.

    Without a document it may publish under every key.
    """
    sent = subscribers.sent_by(names.service)
    if sent is None:
        return ANYTHING
    earlier = LIST.fullmatch(before)
    keys = set(earlier[1].split("|")) if earlier else set()
    return _one_of(keys - {""} | {_escaped(address.key) for address in sent if address.kind == "event"})


def matches(pattern: str, name: str) -> bool:
    """Whether a permission covers a name, as RabbitMQ decides; False for an invalid pattern."""
    try:
        return bool(pattern) and re.search(pattern, name) is not None
    except re.error:
        return False


def _receivers(names: Topology) -> set[str]:
    found = set()
    for service, addresses in subscribers.by_service(subscribers.of(names.service)).items():
        theirs = Topology(service, names.prefix)
        for address in addresses:
            queue = theirs.event_queue if address.kind == "event" else theirs.command_queue
            found.add(queue.name)
    return found


def _of_celery(names: Topology) -> tuple[str, str]:
    """The names that `celery inspect`, `celery control` and task events, where they are on, declare."""
    control, events = _escaped(names.control), _escaped(names.task_events)
    return rf"(.*\.)?{control}\.pidbox", rf"{events}(\..*)?"


def _one_of(patterns: Iterable[str]) -> str:
    return f"^({'|'.join(sorted(set(patterns)))})$"


def _escaped(name: str) -> str:
    # A hyphen means itself outside of brackets, and people read these.
    return re.escape(name).replace(r"\-", "-")
