"""One run of a handler on the fast path: in a transaction that it shares with other handlers."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import connection

from atoll import context, tracing
from atoll.bus import faults, message_spans
from atoll.bus.delivery import decoding, in_flight, timeouts
from atoll.bus.delivery.run_metrics import observe_run
from atoll.bus.delivery.store import Claim
from atoll.bus.handlers.registry import Handler
from atoll.bus.inbox.store import Delivery
from atoll.bus.message_log import log_messages
from atoll.postgresql import driver

log = structlog.get_logger("atoll.bus")


@dataclass(frozen=True, slots=True)
class Run:
    """A delivery that runs now, and its code. ``data`` is the message's, if it was read already."""

    claim: Claim
    handler: Handler
    data: dict[str, Any] | None = None


class BrokenTransaction(Exception):
    """A handler swallowed an error of the database, or ended the transaction, so that nothing can commit."""


def run_now(run: Run, held: tracing.Held | None = None) -> float:
    """Run the handler. Returns the seconds that it took. Its span waits in ``held`` for the commit."""
    claim, handler = run.claim, run.handler
    started = time.monotonic()
    payload, message = decoding.decode(handler, claim, run.data)
    with (
        context.work(
            correlation_id=claim.correlation_id,
            idempotency_key=message.idempotency_key,
            deadline=started + handler.timeout_s,
        ),
        message_spans.handling(claim, held),
        in_flight.running(claim, handler.timeout_s),
        timeouts.within(started, handler.timeout_s, handler.id),
    ):
        handler.function(payload, message)
        faults.point("fast.in_handler")
    return time.monotonic() - started


def log_done(runs: Sequence[tuple[Run, float]]) -> None:
    """Log and count the runs of a batch that is committed, each with the seconds that it took."""
    for run, took_s in runs:
        observe_run(run.claim, "done", took_s)
    log_messages(log.info, "handlers done", [_facts(run.claim, took_s) for run, took_s in runs])


def _facts(claim: Claim, took_s: float) -> dict[str, Any]:
    return {
        "duration_ms": round(took_s * 1000, 1),
        "message_type": claim.name,
        "message_id": claim.message_id,
        "sender": claim.service_id,
        "handler": claim.handler_id,
        "attempt": claim.attempt,
        "correlation_id": claim.correlation_id,
    }


def must_be_sound(session: Any) -> None:
    """Raise BrokenTransaction when Django or PostgreSQL would roll the transaction back without an error."""
    is_sound = (
        connection.connection is session
        and not connection.needs_rollback
        and driver.is_in_transaction(session)
    )
    if not is_sound:
        raise BrokenTransaction("The handler left the transaction in a state that cannot be committed.")


def guard_hooks(claim: Claim, first: int) -> None:
    """Run the handler's ``on_commit`` functions, from number ``first`` on, in its context.

    Their errors are logged and reach no other function: the delivery is committed as done.
    """
    hooks: list[Any] = connection.run_on_commit
    for place in range(first, len(hooks)):
        savepoints, hook, is_robust = hooks[place]
        if not is_robust:
            hooks[place] = (savepoints, _in_context(claim, hook), True)


def _in_context(claim: Claim, hook: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        place = tracing.parse(claim.traceparent)
        with (
            context.work(correlation_id=claim.correlation_id, idempotency_key=str(claim.id)),
            tracing.resume(place),
        ):
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
        traceparent=message.traceparent,
    )
