"""An old and a new version of one service, in one process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F
from testproject.models import Note

from atoll.bus import Message, handles, on
from atoll.bus.broker.messages import Arrival
from atoll.bus.handlers import enrolment, registry
from atoll.bus.models import Delivery, KnownHandler
from atoll.ids import uuid7

Version = Callable[[], None]


@dataclass
class Asked:
    text: str


def write(event: Asked, message: Message) -> None:
    Note.objects.create(text=f"write {event.text}")


def count(event: Asked, message: Message) -> None:
    Note.objects.create(text=f"count {event.text}")


def moved(event: Asked, message: Message) -> None:
    Note.objects.create(text=f"moved {event.text}")


WRITE, COUNT = f"{write.__module__}.write", f"{count.__module__}.count"


def old() -> None:
    on("note.asked")(write)


def new() -> None:
    on("note.asked")(write)
    on("note.asked")(count)
    on("note.added")(count)
    handles("count.notes")(count)


def become(version: Version) -> None:
    """Give this process the code of one version only."""
    registry._handlers.clear()
    version()


def start(version: Version, *, runs_handlers: bool = True) -> None:
    """Start as a worker of that version does."""
    become(version)
    enrolment.register(runs_handlers=runs_handlers)


def silence(*handlers: str) -> None:
    """Age the last sign of all workers, as if they were gone for long."""
    KnownHandler.objects.filter(handler__in=handlers).update(
        seen_at=F("seen_at") - timedelta(minutes=5), known_since=F("known_since") - timedelta(minutes=5)
    )


def arrival(name: str, text: str, kind: str = "eventType") -> Arrival:
    body = json.dumps({"id": str(uuid7()), kind: name, "data": {"text": text}, "serviceId": "s"})
    return Arrival("queue", name, body.encode(), {}, {})


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def stored() -> dict[str, tuple[str, int]]:
    """Return status and attempts of each handler's delivery of the one message."""
    return {row.handler: (row.status, row.attempts) for row in Delivery.objects.all()}
