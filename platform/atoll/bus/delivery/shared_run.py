"""One run of a handler on the fast path: in a transaction that it shares with other handlers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import connection
from psycopg2.extensions import TRANSACTION_STATUS_INTRANS

from atoll import context
from atoll.bus import faults
from atoll.bus.delivery import decoding, in_flight, timeouts
from atoll.bus.delivery.store import Claim
from atoll.bus.handlers.registry import Handler
from atoll.bus.inbox.store import Delivery

log = structlog.get_logger("atoll.bus")


@dataclass(frozen=True, slots=True)
class Run:
    """A delivery that runs now, and its code. ``data`` is the message's, if it was read already."""

    claim: Claim
    handler: Handler
    data: dict[str, Any] | None = None


class BrokenTransaction(Exception):
    """A handler swallowed an error of the database, or ended the transaction, so that nothing can commit."""


def run_now(run: Run) -> float:
    """Run the handler. Returns the seconds that it took."""
    claim, handler = run.claim, run.handler
    started = time.monotonic()
    payload, message = decoding.decode(handler, claim, run.data)
    with (
        context.work(
            correlation_id=claim.correlation_id,
            idempotency_key=message.idempotency_key,
            deadline=started + handler.timeout_s,
        ),
        in_flight.running(claim, handler.timeout_s),
        timeouts.within(started, handler.timeout_s, handler.id),
    ):
        handler.function(payload, message)
        faults.point("fast.in_handler")
    took_s = time.monotonic() - started
    log.info(
        "handler done",
        duration_ms=round(took_s * 1000, 1),
        message_type=claim.name,
        message_id=claim.message_id,
        sender=claim.service_id,
        handler=claim.handler_id,
        attempt=claim.attempt,
        correlation_id=claim.correlation_id,
    )
    return took_s


def must_be_sound(session: Any) -> None:
    """Raise BrokenTransaction when Django or PostgreSQL would roll the transaction back without an error."""
    is_sound = (
        connection.connection is session
        and not connection.needs_rollback
        and session.get_transaction_status() == TRANSACTION_STATUS_INTRANS
    )
    if not is_sound:
        raise BrokenTransaction("The handler left the transaction in a state that cannot be committed.")


def guard_hooks(run: Run, first: int) -> None:
    """Give what a handler does after the commit its context, and let no error of it reach other handlers."""
    hooks: list[Any] = connection.run_on_commit
    for place in range(first, len(hooks)):
        savepoints, hook, is_robust = hooks[place]
        if not is_robust:
            hooks[place] = (savepoints, _in_context(run.claim, hook), True)


def _in_context(claim: Claim, hook: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        with context.work(correlation_id=claim.correlation_id, idempotency_key=str(claim.id)):
            hook()

    # Django names it when it fails.
    run.__qualname__ = getattr(hook, "__qualname__", repr(hook))
    return run


def first_attempt(delivery: Delivery) -> Claim:
    message = delivery.envelope
    return Claim(
        id=delivery.id,
        handler_id=delivery.handler_id,
        attempt=1,
        message_id=message.message_id,
        kind=message.kind,
        name=message.name,
        body=message.body,
        service_id=message.service_id,
        correlation_id=message.correlation_id,
        version=message.version,
        sent_at=message.sent_at,
        age_s=0.0,
        lane=delivery.lane,
        position=message.key_sequence,
        is_late=False,
    )
