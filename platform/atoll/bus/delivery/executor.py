"""Running deliveries: handler, effects, outgoing messages and "done" in one transaction."""

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
from atoll.bus import claim_owner, faults
from atoll.bus.delivery import (
    attempt_slots,
    decoding,
    error_fingerprint,
    in_flight,
    lease_renewal,
    timeouts,
    unattended,
)
from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery.store import Claim
from atoll.bus.handler_exceptions import Dead, Ignore
from atoll.bus.handlers import known
from atoll.bus.handlers.registry import Handler
from atoll.errors import Unavailable

log = structlog.get_logger("atoll.bus")

Hint = Callable[[Sequence[UUID]], None]

# How many of a lane one worker runs in a row before others get the worker's place.
LANE_TURN = 100
# Another version of the service takes this message for the same handler: it has so long to come by.
SET_ASIDE_S = 5.0


@dataclass(frozen=True, slots=True)
class LeaseLost(Exception):
    """Another worker took the delivery over; nothing of this attempt may stay."""

    delivery_id: UUID


def execute(delivery_id: UUID, now: datetime | None = None, hint: Hint | None = None) -> int:
    """Run a delivery now, its immediate retries included, and go on with those it held up in its
    lane; how many attempts were made.

    Safe to call at any time and any number of times: what is not due, settled,
    or being run elsewhere is left alone. ``hint`` is told what a worker that has
    run LANE_TURN of a lane leaves to the next.
    """
    claim = deliveries.claim(delivery_id, now)
    if claim is None:
        unattended.pass_on(delivery_id)
        return 0
    return run(claim, now, hint)


def run(begun: Claim, now: datetime | None = None, hint: Hint | None = None) -> int:
    """As ``execute``, for a delivery whose attempt has begun."""
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
    """The handler is the same, but the version of it here takes no such message."""
    roster = known.reload()
    if roster.names_of(claim.handler_id) & roster.takers(claim.kind, claim.name).keys():
        unattended.set_aside(claim.id, claim.attempt, SET_ASIDE_S)
    else:
        why = f"No version of {claim.handler_id} takes {claim.name} any more."
        deliveries.finish(claim, "discarded", why)
        log.warning("delivery discarded", reason=why, delivery=str(claim.id))


def attempt(claim: Claim, now: datetime | None = None) -> bool:
    """Make one claimed attempt; True when the next one may follow at once."""
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
    except LeaseLost:
        log.warning("delivery taken over", **facts)
        return False
    except Ignore as reason:
        deliveries.finish(claim, "ignored", str(reason))
        log.info("handler ignored", reason=str(reason), **facts)
        return False
    except Exception as error:
        timeouts.drop_interrupted_session()
        return _failed(claim, handler, error, facts, now)
    log.info("handler done", duration_ms=round((time.monotonic() - started) * 1000, 1), **facts)
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
                with lease_renewal.kept(claim, until=started + handler.timeout_s):
                    prepared = (handler.before(payload, message),)
        with transaction.atomic():
            if not deliveries.mark_done(claim, handler.timeout_s):
                raise LeaseLost(claim.id)
            with timeouts.within(started, handler.timeout_s, handler.id):
                handler.function(payload, message, *prepared)
                faults.point("deliver.in_handler")


def _failed(
    claim: Claim, handler: Handler, error: Exception, facts: dict[str, Any], now: datetime | None
) -> bool:
    wait = None if isinstance(error, Dead) else handler.retry.wait_after(claim.attempt, claim.age_s)
    summary = str(error) if isinstance(error, Dead) else f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    group = error_fingerprint.group_of(error)
    try:
        if wait is None:
            deliveries.finish(claim, "dead", summary, trace, group)
            log.error("handler dead", error=summary, exc_info=error, **facts)
            return False
        deliveries.retry_later(claim, wait, summary, trace, now, group)
    except (OperationalError, InterfaceError):
        # The database is away: the lease runs out by itself and the sweep finds the row.
        connection.close()
        log.error("handler failed and its outcome could not be stored", error=summary, **facts)
        return False
    # Where somebody else does not answer, our own stack tells nothing.
    where = None if isinstance(error, Unavailable) else error
    log.warning("handler failed", error=summary, retry_in_s=wait.total_seconds(), exc_info=where, **facts)
    return not wait
