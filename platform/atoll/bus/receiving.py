"""Storing what arrived: readable messages in the inbox, the rest in quarantine."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError, DataError, InterfaceError

from atoll.bus import envelope, inbox, known, quarantine
from atoll.bus.envelope import Envelope, Unreadable
from atoll.bus.quarantine import Arrival

log = structlog.get_logger("atoll.bus")

# This many at once are a crowd, and of a crowd what was sent longer ago than this can wait its turn.
CROWD = 5
FRESH_S = 5.0
# A class of PostgreSQL's error codes: a value is too large for an index or a row, or too deeply nested.
PROGRAM_LIMIT_EXCEEDED = "54"


def receive(arrivals: Sequence[Arrival]) -> list[UUID]:
    """Store a batch; the new deliveries that want a hint. What cannot be read goes to quarantine.
    What can be read is stored although nothing handles it.

    When it returns, everything is committed and may be acknowledged. OutOfTurn is that of
    ``inbox.store``.
    """
    readable: list[tuple[Arrival, Envelope]] = []
    for arrival in arrivals:
        if arrival.problem:
            refuse(arrival, arrival.problem)
            continue
        try:
            readable.append((arrival, read(arrival)))
        except Unreadable as error:
            refuse(arrival, str(error))
        except (DatabaseError, InterfaceError):
            # Whether a handler takes it could not be asked: that says nothing about the message.
            raise
        except Exception as error:
            # Nothing but the message is at work here, and one message must not keep the others out.
            log.exception("message cannot be read, and nobody foresaw why", queue=arrival.queue)
            refuse(arrival, f"Reading it failed: {error!r}")
    if not readable:
        return []
    try:
        messages = [message for _, message in readable]
        fresh = inbox.store(messages, unhurried=_late(messages))
    except inbox.Unhandled:
        return receive(arrivals)
    except (DatabaseError, ValueError) as error:
        if not _is_about_messages(error):
            raise
        fresh = _store_one_by_one(readable)
    for _, message in readable:
        log.info(
            "message received",
            message_type=message.name,
            message_id=message.message_id,
            sender=message.service_id,
            correlation_id=message.correlation_id,
        )
    return fresh


def read(arrival: Arrival) -> Envelope:
    """Raises Unreadable for what no known handler of this service takes."""
    message = envelope.parse(arrival.body, arrival.properties, arrival.headers)
    if message.kind == "command" and not (
        known.roster().takers("command", message.name) or known.reload().takers("command", message.name)
    ):
        raise Unreadable(f"Nothing in this service handles the command {message.name}.")
    return message


def _late(messages: Sequence[Envelope]) -> set[str]:
    """Whose deliveries may wait behind those of newer messages, by dedupe key."""
    if len(messages) < CROWD:
        return set()
    since = datetime.now(UTC) - timedelta(seconds=FRESH_S)
    return {message.dedupe_key for message in messages if message.sent_at < since}


def _store_one_by_one(readable: Sequence[tuple[Arrival, Envelope]]) -> list[UUID]:
    """One message that the database refuses must not keep its neighbours out."""
    fresh: list[UUID] = []
    for arrival, message in readable:
        try:
            fresh.extend(inbox.store([message]))
        except (DatabaseError, ValueError) as error:
            if not _is_about_messages(error):
                raise
            refuse(arrival, f"The database cannot store it: {error}")
    return fresh


def _is_about_messages(error: Exception) -> bool:
    """Whether the values are at fault; what else a database reports says nothing about a message."""
    code = getattr(error.__cause__, "pgcode", None) or ""
    return isinstance(error, (DataError, ValueError)) or code.startswith(PROGRAM_LIMIT_EXCEEDED)


def refuse(arrival: Arrival, reason: str) -> None:
    """Put it into quarantine, loudly."""
    quarantine.add(arrival, reason)
    log.error("message quarantined", queue=arrival.queue, routing_key=arrival.routing_key, reason=reason)
