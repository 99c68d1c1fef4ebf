"""Storing arrivals: readable messages in the inbox, the others in quarantine."""

import threading
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog
from django.db import DatabaseError, DataError, InterfaceError

from atoll.bus.broker import envelope
from atoll.bus.broker.envelope import Envelope, Unreadable
from atoll.bus.broker.messages import Arrival
from atoll.bus.handlers import known
from atoll.bus.inbox import quarantine, senders
from atoll.bus.inbox import store as inbox
from atoll.bus.inbox.arrivals import count_arrivals
from atoll.bus.inbox.senders import Rule
from atoll.bus.inbox.store import Delivery
from atoll.bus.message_log import log_messages

log = structlog.get_logger("atoll.bus")

# In a batch of CROWD or more, messages older than FRESH_S get no hint; the sweep delivers them.
CROWD = 5
FRESH_S = 5.0
# PostgreSQL's class of errors for a value that is too large for an index or row, or nested too deeply.
PROGRAM_LIMIT_EXCEEDED = "54"


class FastPath(Protocol):
    """``atoll.bus.delivery.fast_path.FastPath``, which this room does not know."""

    is_behind: threading.Event

    def store(
        self,
        messages: Sequence[Envelope],
        *,
        counted: Collection[str],
        new: Collection[str],
        old: Collection[str],
        runs_old: bool,
    ) -> list[Delivery] | None: ...

    def work_off(self, *, is_alone: bool) -> list[UUID]: ...

    def session_began(self) -> None: ...


def receive(
    arrivals: Sequence[Arrival], fast_path: FastPath | None = None, *, lets_new_pass: bool = False
) -> list[UUID]:
    """Store a batch; the ids of new deliveries that want a hint.

    With a ``fast_path`` handlers run in the transaction that stores; their deliveries want no hint. Those of
    old messages in a crowd do so only where the consumer ``lets_new_pass``.
    A message that cannot be read, or that its sender may not send (senders.py), goes into quarantine.
    A readable message is stored even when nothing handles it. When it returns, everything is committed
    and may be acknowledged. Raises LockIsShared, as ``inbox.store`` does.
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
            # The handlers could not be read from the database; the message is not at fault.
            raise
        except Exception as error:
            # Only the message can have caused it, and one message must not keep the others out.
            log.exception("message cannot be read, for an unforeseen reason", queue=arrival.queue)
            refuse(arrival, f"Reading it failed: {error!r}")
    if not readable:
        return []
    without_hint = _old([message for _, message in readable])
    try:
        stored = None
        if fast_path:
            stored = _store_and_run(readable, without_hint, fast_path, runs_old=lets_new_pass)
        if stored is not None:
            return [one.id for one in stored if one.envelope.dedupe_key not in without_hint]
        fresh = inbox.store([message for _, message in readable], without_hint=without_hint)
    except inbox.Unhandled:
        return receive(arrivals, fast_path, lets_new_pass=lets_new_pass)
    except (DatabaseError, ValueError) as error:
        if not _is_about_messages(error):
            raise
        fresh = _store_one_by_one(readable)
    count_arrivals(message for _, message in readable)
    _log_received([message for _, message in readable])
    return fresh


def _store_and_run(
    readable: Sequence[tuple[Arrival, Envelope]],
    old: Collection[str],
    fast_path: FastPath,
    *,
    runs_old: bool,
) -> list[Delivery] | None:
    """The new deliveries that did not run, or None when nothing was stored."""
    stored = fast_path.store(
        [message for _, message in readable],
        counted={message.dedupe_key for arrival, message in readable if arrival.is_redelivered},
        new={message.dedupe_key for arrival, message in readable if arrival.is_new},
        old=old,
        runs_old=runs_old,
    )
    if stored is None:
        return None
    count_arrivals(message for _, message in readable)
    ran = {delivery.envelope.dedupe_key for delivery in stored if delivery.status in ("done", "running")}
    # The line of the handlers has these facts, too.
    _log_received([message for _, message in readable if message.dedupe_key not in ran])
    return [delivery for delivery in stored if delivery.status == "pending"]


def _log_received(messages: Sequence[Envelope]) -> None:
    log_messages(
        log.info,
        "messages received",
        [
            {
                "message_type": message.name,
                "message_id": message.message_id,
                "sender": message.service_id,
                "correlation_id": message.correlation_id,
            }
            for message in messages
        ],
    )


def read(arrival: Arrival, rule: Rule | None) -> Envelope:
    """Parse and check a message. Without a ``rule`` its sender is not checked.

    Raises Unreadable, also for a command that no known handler of this service takes, and SenderRefused
    for a message that its sender may not send.
    """
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


def _old(messages: Sequence[Envelope]) -> set[str]:
    """The dedupe keys of messages that let newer ones go first."""
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
    """Whether a value of a message caused the error, and not the state of the database."""
    code = getattr(error.__cause__, "pgcode", None) or ""
    return isinstance(error, (DataError, ValueError)) or code.startswith(PROGRAM_LIMIT_EXCEEDED)


def refuse(arrival: Arrival, reason: str) -> None:
    """Put it into quarantine and log an error."""
    quarantine.add(arrival, reason)
    log.error("message quarantined", queue=arrival.queue, routing_key=arrival.routing_key, reason=reason)
