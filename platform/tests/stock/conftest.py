"""People of a stock project, and one row of every kind."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import Client

from atoll.bus import Message, Retry, on
from atoll.bus.broker.messages import Arrival
from atoll.bus.handlers import registry
from atoll.bus.inbox import quarantine
from atoll.bus.models import Delivery, Inbox, Outbox, Quarantine
from atoll.bus.publishing import publish_raw
from atoll.testing.bus import Bus

CORRELATION = "checkout-4711"


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    """A superuser who is signed in to the admin."""
    client.force_login(User.objects.create_superuser("ada", "ada@example.com", "a password"))
    return client


def member(*permissions: str) -> Client:
    """A browser of a member of staff who has ``permissions`` of the bus."""
    user = User.objects.create_user(f"member-{User.objects.count()}", is_staff=True)
    found = Permission.objects.filter(content_type__app_label="atoll_bus", codename__in=permissions)
    assert found.count() == len(permissions)
    user.user_permissions.set(found)
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def handlers() -> Iterator[list[registry.Handler]]:
    """The registry, empty for this test and restored afterwards."""
    held = registry.handlers()
    registry._handlers.clear()
    yield registry._handlers
    registry._handlers[:] = held


@dataclass
class Ledger:
    """Rows of every kind. ``notes`` are the texts that the handler wrote."""

    dead: Delivery
    failing: Delivery
    inbox: Inbox
    outbox: Outbox
    quarantined: Quarantine
    notes: list[str]


@pytest.fixture
def ledger(atoll_bus: Bus, handlers: list[registry.Handler]) -> Ledger:
    """A dead and a failing delivery, a message to publish, and an unreadable message.

    The handler of ``note.asked`` works from its second message on.
    """
    notes: list[str] = []
    seen: list[str] = []

    @on("note.asked", retry=Retry(immediate=0, delayed_s=()))
    def write(event: dict[str, Any], message: Message) -> None:
        seen.append(message.id)
        if len(seen) == 1:
            raise ValueError("the pencil is broken")
        notes.append(event["text"])

    @on("note.lost", retry=Retry(immediate=0, delayed_s=(600,)))
    def lose(event: dict[str, Any], message: Message) -> None:
        raise LookupError("there is no drawer 7")

    (dead,) = atoll_bus.deliver("note.asked", {"text": "late"}, times=1, correlation_id=CORRELATION)
    (failing,) = atoll_bus.deliver("note.lost", {"text": "gone"}, times=1, correlation_id=CORRELATION)
    assert (dead.status, failing.status) == ("dead", "pending")
    assert atoll_bus.failed() == [dead, failing]
    with transaction.atomic():
        publish_raw("note.written", {"text": "first"})
    body = json.dumps({"eventType": "note.asked", "data": {"text": "<script>late</script>"}}).encode()
    quarantine.add(Arrival("events.library-service", "note.asked", body, {}, {}), "no handler")
    return Ledger(dead, failing, dead.message, Outbox.objects.get(), Quarantine.objects.get(), notes)
