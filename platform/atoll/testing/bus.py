"""The ``bus`` fixture: what a service announced, and messages handed to its handlers.

Messages take the real way through inbox and delivery, without broker and
Celery, inside the test's own transaction.
"""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from atoll.ids import uuid7

MAX_ROUNDS = 1000


class Bus:
    """What a test sees of the bus of the service under test."""

    def published(self, event_type: str | None = None) -> list[dict[str, Any]]:
        """The envelopes of the events announced so far, in order; of one type when given."""
        return self._announced("event", event_type)

    def sent(self, command: str | None = None) -> list[dict[str, Any]]:
        """The envelopes of the commands sent so far, in order; of one name when given."""
        return self._announced("command", command)

    def deliver(
        self,
        name: str,
        data: dict[str, Any],
        *,
        times: int = 2,
        message_id: str | None = None,
        correlation_id: str | None = None,
        service_id: str = "test-service",
    ) -> list[Any]:
        """Hand this service an event type or command; the delivery rows that came of it.

        A name that the service handles as a command is delivered as one. By
        default the handlers run twice, each time for a message of its own id,
        because every handler must survive that; with ``message_id`` the copies
        are one message, and the inbox drops all but the first. A handler that
        fails leaves its error in the row and does not raise here.
        """
        from atoll import wire
        from atoll.bus import envelope, execute, inbox, registry
        from atoll.bus.models import Delivery

        kind: registry.Kind = "command" if registry.command_handler(name) else "event"
        if not registry.handlers_for(kind, name):
            raise LookupError(f"Nothing in this service handles {name!r}.")
        found: list[UUID] = []
        for _ in range(times):
            identifier = message_id or str(uuid7())
            body = wire.dumps(
                {
                    "id": identifier,
                    "eventType" if kind == "event" else "command": name,
                    "data": data,
                    "serviceId": service_id,
                    "correlationId": correlation_id or str(uuid7()),
                    "version": 1,
                }
            )
            fresh = inbox.store([envelope.parse(body, {}, {})])
            found.extend(fresh)
            for delivery_id in found:
                execute.execute(delivery_id)
        rows = Delivery.objects.in_bulk(found)
        return [rows[delivery_id] for delivery_id in found]

    def run_due(self, now: datetime | None = None) -> int:
        """Fire every timer and retry that is due, now or at the given time; how many attempts ran."""
        from atoll.bus import deliveries, execute

        attempts = 0
        for _ in range(MAX_ROUNDS):
            due = deliveries.sweep(100, now)
            if not due:
                return attempts
            attempts += sum(execute.execute(delivery_id, now) for delivery_id in due)
        raise AssertionError(
            f"Still not settled after {MAX_ROUNDS} rounds: handlers keep feeding each other."
        )

    def _announced(self, kind: str, name: str | None) -> list[dict[str, Any]]:
        from atoll.bus.models import Outbox

        rows = Outbox.objects.filter(kind=kind).order_by("id")
        if name is not None:
            rows = rows.filter(name=name)
        return [json.loads(body) for body in rows.values_list("body", flat=True)]


@pytest.fixture
def bus(db: None) -> Bus:
    """The bus of the service under test."""
    return Bus()
