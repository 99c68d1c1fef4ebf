"""The inbox's SQL: store a batch of messages, each once."""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from atoll.bus.broker.envelope import MAX_ID_CHARACTERS, Envelope
from atoll.bus.handlers import known
from atoll.bus.handlers.known import Roster
from atoll.bus.inbox import consumer_lock
from atoll.postgresql.prepared import Prepared

# Ingest sends the first hint itself; the sweep repeats it after this many seconds.
HINT_GRACE_S = 10.0
# Of a claim. Renewed while a handler's ``before`` runs (delivery/lease_renewal.py).
LEASE_S = 30.0

# Nothing is stored when the list of handlers has changed since it was read: the fingerprint tells
# whether it has, and the lock keeps changes out until the commit.
LOCK = "SELECT pg_advisory_xact_lock_shared(%(lock)s);"
STORE = Prepared(
    "atoll_store",
    f"""
WITH roster AS MATERIALIZED (
    SELECT ({known.FINGERPRINT}) AS fingerprint
), fresh AS (
    INSERT INTO atoll_bus_inbox
        (dedupe_key, message_id, kind, name, body, service_id, correlation_id,
         version, key, key_sequence, sent_at, traceparent, received_at)
    SELECT arrival.*, statement_timestamp()
    FROM unnest(
        %(dedupe_keys)s, %(message_ids)s, %(kinds)s, %(names)s,
        %(bodies)s, %(service_ids)s, %(correlation_ids)s, %(versions)s,
        %(keys)s, %(key_sequences)s, %(sent_ats)s, %(traceparents)s) AS arrival
    WHERE (SELECT fingerprint FROM roster) = %(fingerprint)s
    ON CONFLICT (dedupe_key) DO NOTHING
    RETURNING id, dedupe_key, key_sequence
), stored AS (
    INSERT INTO atoll_bus_delivery
        (id, message_id, handler, lane, position, status, attempts, next_attempt_at, hint_at, hints,
         token, error, traceback, created_at, session, claimed_at, finished_at)
    SELECT
        wanted.id, fresh.id, wanted.handler, wanted.lane,
        CASE WHEN wanted.lane <> '' THEN COALESCE(fresh.key_sequence, fresh.id) END,
        CASE wanted.status WHEN 'handed over' THEN 'running' ELSE wanted.status END,
        CASE WHEN wanted.status = 'pending' THEN 0 ELSE 1 END,
        statement_timestamp() + make_interval(
            secs => CASE WHEN wanted.status = 'handed over' THEN wanted.grace_s ELSE 0 END),
        statement_timestamp() + make_interval(secs => wanted.grace_s), 0, '', '', '', statement_timestamp(),
        CASE WHEN wanted.status = 'handed over' THEN pg_backend_pid() END,
        CASE WHEN wanted.status <> 'pending' THEN statement_timestamp() END,
        CASE WHEN wanted.status = 'done' THEN statement_timestamp() END
    FROM fresh
    JOIN unnest(%(delivery_ids)s, %(delivery_keys)s, %(handlers)s,
                %(lanes)s, %(graces_s)s, %(statuses)s)
        AS wanted (id, dedupe_key, handler, lane, grace_s, status) USING (dedupe_key)
    RETURNING id
)
SELECT roster.fingerprint, stored.id FROM roster LEFT JOIN stored ON TRUE
""",  # noqa: S608
    fingerprint="text",
    dedupe_keys="text[]",
    message_ids="text[]",
    kinds="text[]",
    names="text[]",
    bodies="text[]",
    service_ids="text[]",
    correlation_ids="text[]",
    versions="integer[]",
    keys="text[]",
    key_sequences="bigint[]",
    sent_ats="timestamptz[]",
    traceparents="text[]",
    delivery_ids="uuid[]",
    delivery_keys="text[]",
    handlers="text[]",
    lanes="text[]",
    graces_s="float8[]",
    statuses="text[]",
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row to be written: one message for one handler.

    As ``done`` or ``running`` the caller runs the handler in the same transaction. As ``handed over`` this
    session claims the first attempt, and the caller has it run after the commit.
    """

    id: UUID
    envelope: Envelope
    handler_id: str
    lane: str
    status: str = "pending"


# Says how a delivery begins: pending, or done because its handler runs in the same transaction.
Begin = Callable[[Sequence[Delivery]], Sequence[Delivery]]


class LockIsShared(Exception):
    """A handler is ordered, and this process shares the consumer lock with others."""


class Unhandled(Exception):
    """The last handler of a command was retired a moment ago; nothing was stored."""


def store(envelopes: Sequence[Envelope], *, without_hint: Collection[str] = ()) -> list[UUID]:
    """Store new messages, with a delivery for each known handler; the ids of deliveries that want a hint.

    The sweep delivers messages ``without_hint``, which are dedupe keys. Otherwise like ``add``.
    """
    return [
        delivery.id
        for delivery in add(envelopes, without_hint=without_hint)
        if delivery.envelope.dedupe_key not in without_hint
    ]


def add(
    envelopes: Sequence[Envelope],
    *,
    without_hint: Collection[str] = (),
    begin: Begin = list,
    settings: str = "",
) -> list[Delivery]:
    """Store new messages, with a delivery for each known handler; the new deliveries as ``begin`` made them.

    One statement stores all or nothing. A message with a known dedupe key is dropped. ``settings`` are SQL
    that runs first. Stores nothing and raises LockIsShared when a handler is ordered and this thread
    shares the consumer lock, and Unhandled when the handlers changed meanwhile and leave a command
    without one.
    """
    while True:
        roster = known.roster()
        if roster.has_ordered and consumer_lock.is_shared():
            raise LockIsShared
        wanted = begin(_deliveries(envelopes, roster))
        fingerprint, stored = _add(settings, envelopes, wanted, without_hint, roster.fingerprint)
        if fingerprint == roster.fingerprint:
            return [delivery for delivery in wanted if delivery.id in stored]
        now = known.reload()
        if any(e.kind == "command" and not now.takers(e.kind, e.name) for e in envelopes):
            raise Unhandled


def _deliveries(envelopes: Sequence[Envelope], roster: Roster) -> list[Delivery]:
    first: dict[str, Envelope] = {}
    for message in envelopes:
        # The statement stores the first of several copies, too.
        first.setdefault(message.dedupe_key, message)
    return [
        Delivery(delivery_id(message, handler_id), message, handler_id, _lane(message) if ordered else "")
        for message in first.values()
        if not message.for_nobody
        for handler_id, ordered in roster.takers(message.kind, message.name).items()
    ]


def delivery_id(envelope: Envelope, handler_id: str) -> UUID:
    """The id of a delivery, a UUID of version 8: the same whenever and by whichever process it is stored.

    Handlers pass it on as their idempotency key, and an attempt that was undone together with its row is
    repeated under the same key. The milliseconds of the message's id, or of its timestamp, come first,
    so that ids sort by time; a message without either has zeros there.
    """
    digest = hashlib.sha256(f"{handler_id} {envelope.dedupe_key}".encode()).digest()
    version, variant = 0x80 | digest[0] & 0x0F, 0x80 | digest[2] & 0x3F
    return UUID(bytes=_time_of(envelope) + bytes([version, digest[1], variant, *digest[3:10]]))


def _time_of(envelope: Envelope) -> bytes:
    """Milliseconds since 1970 in six bytes."""
    try:
        message_id = UUID(envelope.message_id)
    except ValueError:
        message_id = None
    if message_id and message_id.version == 7:
        return message_id.bytes[:6]
    milliseconds = int(envelope.sent_at.timestamp() * 1000) if envelope.has_time else 0
    return max(milliseconds, 0).to_bytes(6)


def _add(
    settings: str,
    envelopes: Sequence[Envelope],
    deliveries: Sequence[Delivery],
    without_hint: Collection[str],
    fingerprint: str,
) -> tuple[str, set[UUID]]:
    """The handlers' fingerprint in the database, and the ids that were stored: none when it differs."""
    keys = [delivery.envelope.dedupe_key for delivery in deliveries]
    with connection.cursor() as cursor:
        STORE.execute(
            cursor,
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
                "traceparents": [e.traceparent for e in envelopes],
                "graces_s": [_grace_s(delivery, without_hint) for delivery in deliveries],
                "delivery_ids": [d.id for d in deliveries],
                "delivery_keys": keys,
                "handlers": [d.handler_id for d in deliveries],
                "lanes": [d.lane for d in deliveries],
                "statuses": [d.status for d in deliveries],
            },
            first=settings + LOCK,
        )
        rows = cursor.fetchall()
    return rows[0][0], {identifier for _, identifier in rows if identifier is not None}


def _grace_s(delivery: Delivery, without_hint: Collection[str]) -> float:
    """After so many seconds the sweep sends a hint."""
    if delivery.status == "handed over":
        return LEASE_S
    return 0.0 if delivery.envelope.dedupe_key in without_hint else HINT_GRACE_S


def _lane(envelope: Envelope) -> str:
    """The lane of an ordered handler: sender and key; empty without a key. Bounded, for the index."""
    key = envelope.key
    if len(key) > MAX_ID_CHARACTERS:
        key = f"sha256/{hashlib.sha256(key.encode()).hexdigest()}"
    return f"{envelope.service_id}/{key}" if key else ""
