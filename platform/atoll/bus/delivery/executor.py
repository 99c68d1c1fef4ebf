"""Running deliveries: the handler's effects, its messages and "done" are one transaction."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction

from atoll import context
from atoll.bus import claim_owner, faults, message_spans
from atoll.bus.delivery import (
    attempt_slots,
    decoding,
    error_fingerprint,
    failure_count,
    in_flight,
    lease_renewal,
    timeouts,
    unattended,
)
from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery.run_metrics import observe_run
from atoll.bus.delivery.shared_run import guard_hooks, must_be_sound
from atoll.bus.delivery.store import Claim
from atoll.bus.handler_exceptions import Dead, Ignore
from atoll.bus.handlers import known
from atoll.bus.handlers.registry import Handler
from atoll.errors import Unavailable

log = structlog.get_logger("atoll.bus")

Hint = Callable[[Sequence[UUID]], None]

# So many deliveries of a lane run in a row; then another hint gets the place in the pool.
LANE_TURN = 100
# How long another version of the service, which takes this message for the same handler, has to claim it.
SET_ASIDE_S = 5.0


@dataclass(frozen=True, slots=True)
class LeaseLost(Exception):
    """Another worker has claimed the delivery; this attempt must be rolled back."""

    delivery_id: UUID


def execute(delivery_id: UUID, now: datetime | None = None, hint: Hint | None = None) -> int:
    """Run a delivery and its immediate retries, then the deliveries that wait behind it in its lane.

    Returns how many attempts were made. Safe to call at any time and any number of times: it leaves a
    delivery alone that is settled, not due, or claimed by another worker. After LANE_TURN deliveries of a
    lane, ``hint`` is called with the next one.
    """
    claim = deliveries.claim(delivery_id, now)
    if claim is None:
        unattended.pass_on(delivery_id)
        return 0
    return run(claim, now, hint)


def run(begun: Claim, now: datetime | None = None, hint: Hint | None = None) -> int:
    """As ``execute``, for a claimed delivery."""
    attempts = in_lane = 0
    claim: Claim | None = begun
    while claim:
        handler = known.code_for(claim.handler_id, claim.kind, claim.name)
        if handler is None:
            _leave_to_others(claim)
            break
        faults.point("deliver.after_claim")
        claim_owner.enable_keepalives()
        attempts += 1
        with in_flight.running(claim, handler.timeout_s):
            may_repeat = attempt(claim, now)
        faults.point("deliver.after_commit")
        if may_repeat:
            claim = deliveries.claim(claim.id, now)
        elif not claim.lane:
            break
        elif in_lane + 1 < LANE_TURN and not attempt_slots.is_leaving():
            in_lane += 1
            claim = deliveries.claim_next(claim, now)
        else:
            if hint and (following := deliveries.first_in_lane(claim)):
                hint([following])
            break
    return attempts


def _leave_to_others(claim: Claim) -> None:
    """Set the delivery aside for another version of the handler, or discard it when no version takes it."""
    roster = known.reload()
    if roster.names_of(claim.handler_id) & roster.takers(claim.kind, claim.name).keys():
        unattended.set_aside(claim.id, claim.attempt, SET_ASIDE_S)
    else:
        why = f"No version of {claim.handler_id} takes {claim.name} any more."
        deliveries.finish(claim, "discarded", why)
        log.warning("delivery discarded", reason=why, delivery=str(claim.id))


def attempt(claim: Claim, now: datetime | None = None) -> bool:
    """Make a claimed attempt; whether the next attempt may follow at once."""
    with message_spans.handling(claim) as span:
        return _attempt(claim, now, span)


def _attempt(claim: Claim, now: datetime | None, span: Any) -> bool:
    started = time.monotonic()
    handler = known.code_for(claim.handler_id, claim.kind, claim.name)
    if handler is None:
        raise LookupError(f"There is no code here for {claim.handler_id} and {claim.name}.")
    facts = {
        "message_type": claim.name,
        "message_id": claim.message_id,
        "handler": claim.handler_id,
        "attempt": claim.attempt,
        "correlation_id": claim.correlation_id,
    }
    try:
        _run(claim, handler, started)
    except LeaseLost as error:
        span.record_exception(error)
        log.warning("delivery taken over", **facts)
        return False
    except Ignore as reason:
        deliveries.finish(claim, "ignored", str(reason))
        message_spans.outcome("ignored", reason=str(reason))
        observe_run(claim, "ignored", time.monotonic() - started)
        log.info("handler ignored", reason=str(reason), **facts)
        return False
    except Exception as error:
        timeouts.drop_interrupted_session()
        span.record_exception(error)
        return _failed(claim, handler, error, facts, now, time.monotonic() - started)
    message_spans.outcome("done")
    took_s = time.monotonic() - started
    observe_run(claim, "done", took_s)
    log.info("handler done", duration_ms=round(took_s * 1000, 1), **facts)
    return False


def _run(claim: Claim, handler: Handler, started: float) -> None:
    if claim.attempt > handler.retry.attempts:
        raise Dead(f"Each of {claim.attempt - 1} attempts ended with the process that made it.")
    if claim.is_late:
        raise Dead("It arrived after a later message of its key had been handled. A replay runs it now.")
    payload, message = decoding.decode(handler, claim)
    with context.work(
        correlation_id=claim.correlation_id,
        idempotency_key=message.idempotency_key,
        deadline=started + handler.timeout_s,
    ):
        with timeouts.within(started, handler.timeout_s, handler.id):
            prepared: tuple[Any, ...] = ()
            if handler.before:
                with lease_renewal.renewed(claim, until=started + handler.timeout_s):
                    prepared = (handler.before(payload, message),)
        with transaction.atomic():
            if not deliveries.mark_done(claim, handler.timeout_s):
                raise LeaseLost(claim.id)
            session, hooks = connection.connection, len(connection.run_on_commit)
            with timeouts.within(started, handler.timeout_s, handler.id):
                handler.function(payload, message, *prepared)
                faults.point("deliver.in_handler")
            must_be_sound(session)
            guard_hooks(claim, hooks)


def _failed(
    claim: Claim,
    handler: Handler,
    error: Exception,
    facts: dict[str, Any],
    now: datetime | None,
    took_s: float,
) -> bool:
    wait = None if isinstance(error, Dead) else handler.retry.wait_after(claim.attempt, claim.age_s)
    observe_run(claim, "dead" if wait is None else "failed", took_s)
    summary = str(error) if isinstance(error, Dead) else f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    group = error_fingerprint.fingerprint_of(error)
    try:
        if wait is None:
            deliveries.finish(claim, "dead", summary, trace, group)
            failure_count.add()
            message_spans.outcome("dead")
            log.error("handler dead", error=summary, exc_info=error, **facts)
            return False
        deliveries.retry_later(claim, wait, summary, trace, now, group)
        failure_count.add()
        message_spans.outcome("failed", retry_in_s=wait.total_seconds())
    except (OperationalError, InterfaceError):
        # The database is away. The lease runs out by itself, and the sweep finds the row.
        connection.close()
        log.error("handler failed and its outcome could not be stored", error=summary, **facts)
        return False
    # When another service does not answer, our own stack explains nothing.
    where = None if isinstance(error, Unavailable) else error
    log.warning("handler failed", error=summary, retry_in_s=wait.total_seconds(), exc_info=where, **facts)
    return not wait
