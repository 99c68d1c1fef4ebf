"""The known receivers of each message, by the document of contracts.

Without the document no receiver is known: an event goes to the queues that are bound.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from atoll import conf
from atoll.bus.contracts import DOCUMENT
from atoll.bus.handlers.registry import Kind

KINDS: dict[str, Kind] = {"events": "event", "commands": "command"}


class Address(NamedTuple):
    """The place where a message is published: the kind of exchange, and the routing key."""

    kind: Kind
    key: str


# The services that receive the messages of each address.
Receivers = Mapping[Address, frozenset[str]]


def of(service: str) -> Receivers:
    """The receivers of one service's messages; the service itself where it handles its own."""
    sent, received = _document()
    return {address: received[address] for address in sent.get(service, ()) if address in received}


def sent_by(service: str) -> frozenset[Address] | None:
    """The addresses where the service publishes; None without the document."""
    sent, received = _document()
    return frozenset(sent.get(service, ())) if sent or received else None


def of_all() -> Receivers:
    """The receivers of all messages on the platform."""
    return _document()[1]


def by_service(receivers: Receivers) -> dict[str, list[Address]]:
    """The addresses of each service, in a fixed order."""
    found: dict[str, list[Address]] = defaultdict(list)
    for address in sorted(receivers):
        for service in receivers[address]:
            found[service].append(address)
    return dict(sorted(found.items()))


def _document() -> tuple[dict[str, set[Address]], dict[Address, frozenset[str]]]:
    place = conf.root() / DOCUMENT
    try:
        changed_at = place.stat().st_mtime_ns
    except FileNotFoundError:
        return {}, {}
    return _read(place, changed_at)


@lru_cache(maxsize=4)
def _read(place: Path, _changed_at: int) -> tuple[dict[str, set[Address]], dict[Address, frozenset[str]]]:
    """The addresses that each service sends to, and the services that receive at each address."""
    made: dict[str, Any] = json.loads(place.read_text())
    sent: dict[str, set[Address]] = defaultdict(set)
    received: dict[Address, set[str]] = defaultdict(set)
    for operation in made["operations"].values():
        channel = made["channels"][operation["channel"]["$ref"].removeprefix("#/channels/")]
        exchange = channel["bindings"]["amqp"]["exchange"]["name"]
        address = Address(KINDS[exchange], channel["address"])
        for tag in operation["tags"]:
            if operation["action"] == "send":
                sent[tag["name"]].add(address)
            else:
                received[address].add(tag["name"])
    return dict(sent), {address: frozenset(services) for address, services in received.items()}
