"""The inbox's SQL: store a batch of messages, each once."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from atoll.bus.broker.envelope import MAX_ID_CHARACTERS, Envelope
from atoll.bus.handlers import known
from atoll.bus.inbox import consumer_lock
from atoll.ids import uuid7

# Ingest sends the first hint itself; the sweep repeats it after this many seconds.
HINT_GRACE_S = 10

# Nothing is stored when the list of handlers has changed since it was read: the fingerprint tells
# whether it has, and the lock keeps changes out until the commit.
STORE = f"""
SELECT pg_advisory_xact_lock_shared(%(lock)s);
WITH roster AS MATERIALIZED (
    SELECT ({known.FINGERPRINT}) AS fingerprint
), fresh AS (
    INSERT INTO atoll_bus_inbox
        (dedupe_key, message_id, kind, name, body, service_id, correlation_id,
         version, key, key_sequence, sent_at, received_at)
    SELECT arrival.*, statement_timestamp()
    FROM unnest(
        %(dedupe_keys)s::text[], %(message_ids)s::text[], %(kinds)s::text[], %(names)s::text[],
        %(bodies)s::text[], %(service_ids)s::text[], %(correlation_ids)s::text[], %(versions)s::int[],
        %(keys)s::text[], %(key_sequences)s::bigint[], %(sent_ats)s::timestamptz[]) AS arrival
    WHERE (SELECT fingerprint FROM roster) = %(fingerprint)s
    ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING id, dedupe_key, key_sequence
), stored AS (
    INSERT INTO atoll_bus_delivery
        (id, message_id, handler, lane, position, status, attempts, next_attempt_at, hint_at, hints,
         token, error, traceback, created_at)
    SELECT
        wanted.id, fresh.id, wanted.handler, wanted.lane,
        CASE WHEN wanted.lane <> '' THEN COALESCE(fresh.key_sequence, fresh.id) END,
        'pending', 0, statement_timestamp(),
        statement_timestamp() + make_interval(secs => wanted.grace_s), 0, '', '', '', statement_timestamp()
    FROM fresh
    JOIN unnest(%(delivery_ids)s::uuid[], %(delivery_keys)s::text[], %(handlers)s::text[],
                %(lanes)s::text[], %(graces_s)s::int[])
        AS wanted (id, dedupe_key, handler, lane, grace_s) USING (dedupe_key)
    RETURNING id
)
SELECT roster.fingerprint, stored.id FROM roster LEFT JOIN stored ON TRUE
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row to be written: one message for one handler."""

    id: UUID
    dedupe_key: str
    handler_id: str
    lane: str


class LockIsShared(Exception):
    """A handler is ordered, and this process shares the consumer lock with others."""


class Unhandled(Exception):
    """The last handler of a command was retired a moment ago; nothing was stored."""


def store(envelopes: Sequence[Envelope], *, without_hint: Collection[str] = ()) -> list[UUID]:
    """Store new messages, with a delivery for each known handler; the ids of deliveries that want a hint.

    One statement stores all or nothing. A message with a known dedupe key is dropped. The sweep delivers
    messages ``without_hint``, which are dedupe keys. Stores nothing and raises LockIsShared when a
    handler is ordered and this thread shares the consumer lock, and Unhandled when the handlers changed
    meanwhile and leave a command without one.
    """
    while True:
        roster = known.roster()
        if roster.has_ordered and consumer_lock.is_shared():
            raise LockIsShared
        deliveries = [
            Delivery(uuid7(), envelope.dedupe_key, handler_id, _lane(envelope) if ordered else "")
            for envelope in {envelope.dedupe_key: envelope for envelope in envelopes}.values()
            if not envelope.for_nobody
            for handler_id, ordered in roster.takers(envelope.kind, envelope.name).items()
        ]
        fingerprint, stored = _store(envelopes, deliveries, without_hint, roster.fingerprint)
        if fingerprint == roster.fingerprint:
            break
        now = known.reload()
        if any(e.kind == "command" and not now.takers(e.kind, e.name) for e in envelopes):
            raise Unhandled
    unhinted = {d.id for d in deliveries if d.dedupe_key in without_hint}
    return [delivery_id for delivery_id in stored if delivery_id not in unhinted]


def _store(
    envelopes: Sequence[Envelope],
    deliveries: Sequence[Delivery],
    without_hint: Collection[str],
    fingerprint: str,
) -> tuple[str, list[UUID]]:
    """The handlers' fingerprint in the database, and the ids that were stored: none when it differs."""
    with connection.cursor() as cursor:
        cursor.execute(
            STORE,
            {
                "lock": known.LOCK,
                "fingerprint": fingerprint,
                "dedupe_keys": [e.dedupe_key for e in envelopes],
                "message_ids": [e.message_id for e in envelopes],
                "kinds": [e.kind for e in envelopes],
                "names": [e.name for e in envelopes],
                "bodies": [e.body for e in envelopes],
                "service_ids": [e.service_id for e in envelopes],
                "correlation_ids": [e.correlation_id for e in envelopes],
                "versions": [e.version for e in envelopes],
                "keys": [e.key for e in envelopes],
                "key_sequences": [e.key_sequence for e in envelopes],
                "sent_ats": [e.sent_at for e in envelopes],
                "graces_s": [0 if d.dedupe_key in without_hint else HINT_GRACE_S for d in deliveries],
                "delivery_ids": [d.id for d in deliveries],
                "delivery_keys": [d.dedupe_key for d in deliveries],
                "handlers": [d.handler_id for d in deliveries],
                "lanes": [d.lane for d in deliveries],
            },
        )
        rows = cursor.fetchall()
    return rows[0][0], [delivery_id for _, delivery_id in rows if delivery_id is not None]


def _lane(envelope: Envelope) -> str:
    """The lane of an ordered handler: sender and key; empty without a key. Bounded, for the index."""
    key = envelope.key
    if len(key) > MAX_ID_CHARACTERS:
        key = f"sha256/{hashlib.sha256(key.encode()).hexdigest()}"
    return f"{envelope.service_id}/{key}" if key else ""
