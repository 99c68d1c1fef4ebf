"""Quarantine: messages that cannot be read are kept and shown; one that was kept whole can be replayed.

Senders must not be able to fill a disk. So one body has at most ``body_bytes``, all bodies together
have at most ``bodies_bytes``, and there are at most ``rows`` rows. Past the first two bounds the start
of a body is kept, with its length and its SHA-256. Past the third a message is counted on the row of
its queue and reason, and logged. docs/decisions/0045 has the reasons for the bounds.
"""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import connection

from atoll import conf, wire
from atoll.bus.broker.messages import Arrival
from atoll.bus.inbox import senders
from atoll.bus.ttl_cache import TtlCache
from atoll.conf import options

log = structlog.get_logger("atoll.bus")

# The part that is kept of a body that does not fit.
HEAD_BYTES = 4096
MAX_REASON_CHARACTERS = 1000
# Bounds for all properties together, for all headers together, and for one of them.
MAX_TABLE_CHARACTERS = 4096
MAX_ENTRY_CHARACTERS = 1024
MAX_TABLE_DEPTH = 16
COUNTED_EVERY_S = 5.0
MB = 1024 * 1024

ADD = """
INSERT INTO atoll_bus_quarantine
    (digest, queue, routing_key, body, body_bytes, body_sha256, is_cut, properties, headers, reason, status,
     note, arrivals, received_at)
VALUES
    (%(digest)s, %(queue)s, %(routing_key)s, %(body)s, %(body_bytes)s, %(body_sha256)s, %(is_cut)s,
     %(properties)s, %(headers)s, %(reason)s, 'waiting', '', 1, statement_timestamp())
ON CONFLICT (digest) DO UPDATE
SET status = 'waiting', reason = excluded.reason, received_at = excluded.received_at,
    arrivals = atoll_bus_quarantine.arrivals + 1
"""

# The length of a stored body is known without reading it.
KEPT = "SELECT count(*), COALESCE(sum(octet_length(body)), 0) FROM atoll_bus_quarantine"


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """A body longer than ``body_bytes``, the most that is read, could not be replayed anyway."""

    body_bytes: int = wire.MAX_BYTES
    bodies_bytes: int = 256 * MB
    rows: int = 20_000


@dataclass
class Kept:
    """The present contents. Rows of other processes are counted up to COUNTED_EVERY_S seconds late."""

    rows: int
    body_bytes: int


def configured() -> Bounds:
    """From BUS_QUARANTINE_BODY_KB, BUS_QUARANTINE_MB and BUS_QUARANTINE_ROWS.

    Raises ImproperlyConfigured for a value that is no whole number from 1.
    """
    project = conf.project_name()
    return Bounds(
        body_bytes=options.BUS_QUARANTINE_BODY_KB.value(project) * 1024,
        bodies_bytes=options.BUS_QUARANTINE_MB.value(project) * MB,
        rows=options.BUS_QUARANTINE_ROWS.value(project),
    )


def add(arrival: Arrival, reason: str) -> None:
    """Store it within the bounds. A copy of the same bytes from the same queue refreshes its row."""
    bounds, kept = configured(), _kept()
    body = _kept_part(arrival.body, bounds, room=bounds.bodies_bytes - kept.body_bytes)
    properties, headers = _table(arrival.properties), _table(arrival.headers)
    row: dict[str, Any] = {
        "digest": _digest(
            arrival.queue, arrival.routing_key, arrival.body, sender=senders.user_of(arrival.properties)
        ),
        "queue": _storable(arrival.queue),
        "routing_key": _storable(arrival.routing_key),
        "body": body,
        "body_bytes": len(arrival.body),
        "body_sha256": hashlib.sha256(arrival.body).hexdigest(),
        "is_cut": len(body) < len(arrival.body) or properties.is_cut or headers.is_cut,
        "properties": properties.json,
        "headers": headers.json,
        "reason": _storable(reason)[:MAX_REASON_CHARACTERS],
    }
    if kept.rows >= bounds.rows:
        row |= _counted_only(row)
    with connection.cursor() as cursor:
        cursor.execute(ADD, row)
    kept.rows += 1
    kept.body_bytes += len(body)


def _kept_part(body: bytes, bounds: Bounds, room: int) -> bytes:
    if len(body) <= bounds.body_bytes:
        return body if len(body) <= max(room, 0) else body[:HEAD_BYTES]
    return body[: bounds.body_bytes] if bounds.body_bytes <= room else body[:HEAD_BYTES]


def _counted_only(row: dict[str, Any]) -> dict[str, Any]:
    """The row of a full quarantine: one for all arrivals of a queue and reason."""
    log.error(
        "quarantine full, an arrival is counted and not kept",
        **{name: row[name] for name in ("queue", "routing_key", "body_bytes", "body_sha256", "reason")},
    )
    return {
        "digest": _digest("full", row["queue"], row["reason"].encode()),
        "reason": f"The quarantine is full; arrivals such as this one are only counted: {row['reason']}",
        "body": b"",
        "is_cut": True,
        "properties": "{}",
        "headers": "{}",
    }


def _count() -> Kept:
    with connection.cursor() as cursor:
        cursor.execute(KEPT)
        rows, body_bytes = cursor.fetchone()
    return Kept(int(rows), int(body_bytes))


_kept = TtlCache(_count, ttl_s=COUNTED_EVERY_S)


def _digest(queue: str, routing_key: str, body: bytes, *, sender: str = "") -> str:
    """The same bytes of two proven senders are two rows: one of the two may be allowed to send them."""
    digest = hashlib.sha256()
    proven = [_storable(sender).encode()] if sender else []
    for part in (_storable(queue).encode(), _storable(routing_key).encode(), body, *proven):
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()


@dataclass(frozen=True)
class _Table:
    json: str
    is_cut: bool


def _table(table: dict[str, Any]) -> _Table:
    """As much of an AMQP table as fits, in JSON that PostgreSQL stores."""
    kept: dict[str, Any] = {}
    left, is_cut = MAX_TABLE_CHARACTERS, False
    for number, (name, value) in enumerate(table.items()):
        entry = {_name(name): _plain(value)}
        size = len(json.dumps(entry, ensure_ascii=False))
        if size > MAX_ENTRY_CHARACTERS:
            is_cut = True
            entry = {_name(name)[:100]: f"<not kept: {size} characters>"}
            size = len(json.dumps(entry))
        if size > left:
            kept["…"] = f"<not kept: {len(table) - number} more>"
            return _Table(json.dumps(kept, ensure_ascii=False), is_cut=True)
        kept |= entry
        left -= size
    return _Table(json.dumps(kept, ensure_ascii=False), is_cut)


def _plain(value: Any, depth: int = 0) -> Any:
    """A value that JSON and PostgreSQL can hold; other values as Python prints them."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict | list | tuple) and depth == MAX_TABLE_DEPTH:
        # Python cannot print values that are nested some hundred levels deep either.
        return f"<not kept: nested deeper than {MAX_TABLE_DEPTH} levels>"
    if isinstance(value, dict):
        return {_name(name): _plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    return _storable(str(value))


def _name(name: Any) -> str:
    return name.hex() if isinstance(name, bytes) else _storable(str(name))


def _storable(text: str) -> str:
    """Without NUL and lone surrogates, which no text column takes."""
    return text.replace("\x00", "").encode(errors="replace").decode()
