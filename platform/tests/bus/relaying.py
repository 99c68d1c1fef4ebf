"""A relay beside the test, its messages, and contracts with their receivers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kombu
import pytest
from django.db import transaction
from testproject.models import Note

from atoll.bus import Message, on
from atoll.bus.broker import subscribers, transports
from atoll.bus.broker.topology import Topology
from atoll.bus.models import Outbox
from atoll.bus.outbox.relay import Relay
from atoll.bus.publishing import publish_raw

OURS, OTHER = "library-service", "other-service"


def listen() -> None:
    @on("account.opened")
    def note(event: dict[str, Any], message: Message) -> None:
        Note.objects.create(text=str(event["number"]))


def announce(*numbers: int, name: str = "account.opened", key: str | None = None) -> None:
    for number in numbers:
        with transaction.atomic():
            publish_raw(name, {"number": number}, key=key)


def notes() -> list[int]:
    return sorted(int(text) for text in Note.objects.values_list("text", flat=True))


def outgoing() -> list[tuple[str, int, str]]:
    return list(Outbox.objects.order_by("id").values_list("status", "attempts", "error"))


def all_are_published() -> bool:
    return set(Outbox.objects.values_list("status", flat=True)) == {"published"}


def theirs() -> Topology:
    names = transports.current().names
    return Topology(OTHER, names.prefix, names.queue_type)


@contextmanager
def relaying() -> Iterator[Relay]:
    """Run a relay beside the test."""
    running = Relay()
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        assert running.connected.wait(20)
        yield running
    finally:
        running.stop()
        thread.join(20)
        assert not thread.is_alive()


def waiting_in(queue: kombu.Queue) -> int:
    with transports.current().connect("test") as opened:
        return int(queue(opened.channel()).queue_declare().message_count)


def unbind(queue: kombu.Queue, key: str) -> None:
    names = transports.current().names
    with transports.current().connect("test") as opened:
        channel: Any = opened.channel()
        names.declare_exchanges(channel)
        queue(channel).unbind_from(names.events, routing_key=key)


@contextmanager
def contracts_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a function that writes a document with the receivers of each event of this service."""

    def write(**receivers: list[str]) -> None:
        made: dict[str, Any] = {"channels": {}, "operations": {}}
        for name, services in receivers.items():
            event = name.replace("_", ".")
            channel = f"events.{event}"
            made["channels"][channel] = {
                "address": event,
                "bindings": {"amqp": {"exchange": {"name": "events"}}},
            }
            for action, service in (("send", OURS), *(("receive", service) for service in services)):
                made["operations"][f"{service}.{action}.{channel}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{channel}"},
                    "tags": [{"name": service}],
                }
        place = tmp_path / "asyncapi.json"
        place.write_text(json.dumps(made))
        monkeypatch.setattr(subscribers, "DOCUMENT", place)

    yield write
    with transports.current().connect("cleaning") as opened:
        theirs().event_queue(opened.channel()).delete()
