"""Keeping what cannot be read: stored whole, visible, replayable."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.db import connection

ADD = """
INSERT INTO atoll_bus_quarantine
    (digest, queue, routing_key, body, properties, headers, reason, status, note, received_at)
VALUES
    (%(digest)s, %(queue)s, %(routing_key)s, %(body)s, %(properties)s, %(headers)s, %(reason)s,
     'waiting', '', statement_timestamp())
ON CONFLICT (digest) DO UPDATE
SET status = 'waiting', reason = excluded.reason, received_at = excluded.received_at
"""


@dataclass(frozen=True)
class Arrival:
    """What the broker handed over, before anybody tried to understand it."""

    queue: str
    routing_key: str
    body: bytes
    properties: dict[str, Any]
    headers: dict[str, Any]


def add(arrival: Arrival, reason: str) -> None:
    """Store it; another copy of the same bytes from the same place refreshes the row."""
    digest = hashlib.sha256()
    for part in (arrival.queue.encode(), _storable(arrival.routing_key).encode(), arrival.body):
        digest.update(len(part).to_bytes(8) + part)
    with connection.cursor() as cursor:
        cursor.execute(
            ADD,
            {
                "digest": digest.hexdigest(),
                "queue": arrival.queue,
                "routing_key": _storable(arrival.routing_key),
                "body": arrival.body,
                "properties": _jsonb(arrival.properties),
                "headers": _jsonb(arrival.headers),
                "reason": _storable(reason),
            },
        )


def _jsonb(table: dict[str, Any]) -> str:
    """Any AMQP table as JSON that PostgreSQL stores: NUL and lone surrogates are dropped."""
    return _storable(json.dumps(table, default=repr, ensure_ascii=False))


def _storable(text: str) -> str:
    return text.replace("\x00", "").replace("\\u0000", "").encode(errors="replace").decode()
