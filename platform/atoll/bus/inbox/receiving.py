"""Storing what arrived: readable messages in the inbox, the rest in quarantine."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError, DataError, InterfaceError

from atoll.bus.broker import envelope
from atoll.bus.broker.envelope import Envelope, Unreadable
from atoll.bus.broker.messages import Arrival
from atoll.bus.handlers import known
from atoll.bus.inbox import quarantine, senders
from atoll.bus.inbox import store as inbox
from atoll.bus.inbox.senders import Rule

log = structlog.get_logger("atoll.bus")

# This many at once are a crowd, and of a crowd what was sent longer ago than this can wait its turn.
CROWD = 5
FRESH_S = 5.0
# A class of PostgreSQL's error codes: a value is too large for an index or a row, or too deeply nested.
PROGRAM_LIMIT_EXCEEDED = "54"


def receive(arrivals: Sequence[Arrival]) -> list[UUID]:
    """Store a batch; the new deliveries that want a hint. What cannot be read goes to quarantine, and
    so does what its sender may not send (senders.py).
    What can be read is stored although nothing handles it.

    When it returns, everything is committed and may be acknowledged. OutOfTurn is that of
    ``inbox.store``.
    """
    readable: list[tuple[Arrival, Envelope]] = []
    rule = senders.rule()
    for arrival in arrivals:
        if arrival.problem:
            refuse(arrival, arrival.problem)
            continue
        try:
            readable.append((arrival, read(arrival, rule)))
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


def read(arrival: Arrival, rule: Rule | None) -> Envelope:
    """Raises Unreadable for a command that no known handler of this service takes, and SenderRefused for
    what its sender may not send by ``rule``; None asks nobody."""
    sender = senders.user_of(arrival.properties) if rule else ""
    message = envelope.parse(arrival.body, arrival.properties, arrival.headers, sender=sender)
    if rule:
        rule.demand(message, sender)
    is_new = rule is not None and not rule.knows(message)
    if message.kind == "event" and not is_new:
        return message
    takers = known.roster().takers(message.kind, message.name) or known.reload().takers(
        message.kind, message.name
    )
    if message.kind == "command" and not takers:
        raise Unreadable(f"Nothing in this service handles the command {message.name}.")
    if rule and takers:
        rule.refuse_unknown(message, sender)
    return replace(message, for_nobody=True) if is_new else message


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
