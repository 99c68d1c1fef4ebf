"""Running deliveries: handler, effects, outgoing messages and "done" in one transaction."""

import time
import traceback
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction

from atoll import context
from atoll.bus import decoding, deliveries, inflight, limits, registry
from atoll.bus.deliveries import Claim
from atoll.bus.outcome import Dead, Ignore
from atoll.bus.retry import Retry
from atoll.errors import Unavailable

log = structlog.get_logger("atoll.bus")


class UnknownHandler(LookupError):
    """No function of that name is registered in this process."""


@dataclass(frozen=True, slots=True)
class LeaseLost(Exception):
    """Another worker took the delivery over; nothing of this attempt may stay."""

    delivery_id: UUID


def execute(delivery_id: UUID, now: datetime | None = None) -> int:
    """Run a delivery now, its immediate retries included; how many attempts were made.

    Safe to call at any time and any number of times: what is not due, settled,
    or being run elsewhere is left alone.
    """
    attempts = 0
    while claim := deliveries.claim(delivery_id, now):
        attempts += 1
        with inflight.running(claim):
            may_repeat = attempt(claim, now)
        if not may_repeat:
            break
    return attempts


def attempt(claim: Claim, now: datetime | None = None) -> bool:
    """Make one claimed attempt; True when the next one may follow at once."""
    started = time.monotonic()
    facts = {
        "message_type": claim.name,
        "message_id": claim.message_id,
        "handler": claim.handler_id,
        "attempt": claim.attempt,
        "correlation_id": claim.correlation_id,
    }
    try:
        _run(claim, started)
    except LeaseLost:
        log.warning("delivery taken over", **facts)
        return False
    except Ignore as reason:
        deliveries.finish(claim, "ignored", str(reason))
        log.info("handler ignored", reason=str(reason), **facts)
        return False
    except Exception as error:
        limits.drop_interrupted_session()
        return _failed(claim, error, facts, now)
    log.info("handler done", duration_ms=round((time.monotonic() - started) * 1000, 1), **facts)
    return False


def _run(claim: Claim, started: float) -> None:
    handler = registry.by_id(claim.handler_id)
    if handler is None:
        raise UnknownHandler(f"No handler is called {claim.handler_id} here; was it renamed or removed?")
    if claim.attempt > handler.retry.attempts:
        raise Dead(f"Each of {claim.attempt - 1} attempts ended with the process that made it.")
    payload, message = decoding.decode(handler, claim)
    with context.work(
        correlation_id=claim.correlation_id,
        idempotency_key=message.idempotency_key,
        deadline=started + handler.timeout_s,
    ):
        with limits.within(started, handler.timeout_s, handler.id):
            prepared = (handler.before(payload, message),) if handler.before else ()
        with transaction.atomic():
            if not deliveries.mark_done(claim, handler.timeout_s):
                raise LeaseLost(claim.id)
            with limits.within(started, handler.timeout_s, handler.id):
                handler.function(payload, message, *prepared)


def _failed(claim: Claim, error: Exception, facts: dict[str, Any], now: datetime | None) -> bool:
    handler = registry.by_id(claim.handler_id)
    policy = handler.retry if handler else Retry(immediate=0)
    wait = None if isinstance(error, Dead) else policy.wait_after(claim.attempt, claim.age_s)
    summary = str(error) if isinstance(error, Dead) else f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    try:
        if wait is None:
            deliveries.finish(claim, "dead", summary, trace)
            log.error("handler dead", error=summary, exc_info=error, **facts)
            return False
        deliveries.retry_later(claim, wait, summary, trace, now)
    except (OperationalError, InterfaceError):
        # The database is away: the lease runs out by itself and the sweep finds the row.
        connection.close()
        log.error("handler failed and its outcome could not be stored", error=summary, **facts)
        return False
    # Where somebody else does not answer, our own stack tells nothing.
    where = None if isinstance(error, Unavailable) else error
    log.warning("handler failed", error=summary, retry_in_s=wait.total_seconds(), exc_info=where, **facts)
    return not wait
