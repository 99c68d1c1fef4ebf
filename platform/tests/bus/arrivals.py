"""Received messages without a broker."""

from typing import Any
from uuid import UUID

from atoll import wire
from atoll.bus.broker import envelope
from atoll.bus.inbox import store as inbox
from atoll.ids import uuid7


def store(
    name: str,
    data: dict[str, Any],
    *,
    key: str | None = None,
    sequence: int | None = None,
    sender: str = "note-service",
) -> list[UUID]:
    """Store an event in the inbox as ingest does. Returns its deliveries."""
    body = wire.dumps({"id": str(uuid7()), "eventType": name, "data": data, "serviceId": sender})
    headers = {"x-atoll-key": key, "x-atoll-seq": sequence}
    return inbox.store([envelope.parse(body, {}, headers)])


def store_one(name: str, data: dict[str, Any], **rest: Any) -> UUID:
    (delivery_id,) = store(name, data, **rest)
    return delivery_id
