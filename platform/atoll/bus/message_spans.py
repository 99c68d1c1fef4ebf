"""The spans of messages (OpenTelemetry's semantic conventions for messaging).

publish order.created          producer   from the commit to the broker's confirmation; its span id is
                                          the end of the message's id
schedule expire.order          producer   a timer was set
process order.created          consumer   one attempt of one handler, child of the message's span
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from opentelemetry import trace

from atoll import conf, context, tracing
from atoll.bus.handler_exceptions import Ignore
from atoll.tracing import Record, TraceContext


def published(rows: Sequence[Any], done: Sequence[int], failures: dict[int, str]) -> None:
    """Record rows of the outbox that the broker has confirmed, and unconfirmed rows with the reason.

    ``done`` and the keys of ``failures`` are ids of rows.
    """
    if tracing.recorder() is None:
        return
    now, confirmed = datetime.now(UTC), frozenset(done)
    for row in rows:
        error = failures.get(row.id, "")
        if not error and row.id not in confirmed:
            continue
        parent = tracing.parse(row.traceparent)
        tracing.remember(
            Record(
                parent.trace_id if parent else tracing.trace_of(row.correlation_id),
                # A message that is refused now is published later, under the message's span id.
                tracing.new_span_id() if error else tracing.span_of(row.message_id),
                parent.span_id if parent else "",
                row.correlation_id,
                f"publish {row.name}",
                "producer",
                int(row.created_at.timestamp() * 1_000_000),
                max(0, int((now - row.created_at).total_seconds() * 1_000_000)),
                error,
                parent.sampled if parent else True,
                {
                    **_facts("publish", "send", row.destination, str(row.message_id)),
                    "messaging.message.conversation_id": row.correlation_id,
                },
            )
        )


def scheduled(name: str, message_id: UUID, correlation_id: str) -> str:
    """The ``traceparent`` of a timer. Its span is recorded when the transaction commits."""
    recorder = tracing.recorder()
    if recorder is None:
        return tracing.current_header()
    parent = tracing.current_place() or TraceContext(tracing.trace_of(correlation_id), "", recorder.sample())
    place = TraceContext(parent.trace_id, tracing.span_of(message_id), parent.sampled)
    record = Record(
        place.trace_id,
        place.span_id,
        parent.span_id,
        correlation_id,
        f"schedule {name}",
        "producer",
        time.time_ns() // 1000,
        0,
        "",
        place.sampled,
        _facts("schedule", "create", name, str(message_id)),
    )
    transaction.on_commit(lambda: tracing.remember(record))
    return place.header()


@contextmanager
def handling(claim: Any, held: tracing.Held | None = None) -> Iterator[Any]:
    """The ``with`` block is one attempt of one handler, as a span with the message's span as its parent.

    ``claim`` is ``delivery.store.Claim``. The span waits in ``held``, if it is given.
    """
    facts = {
        **_facts("process", "process", claim.name, claim.message_id),
        "messaging.message.conversation_id": claim.correlation_id,
        "atoll.handler": claim.handler_id,
        "atoll.delivery": str(claim.id),
        "atoll.attempt": claim.attempt,
        "atoll.sender": claim.service_id,
    }
    parent = tracing.parse(claim.traceparent)
    with (
        context.work(
            correlation_id=claim.correlation_id,
            idempotency_key=context.idempotency_key(),
            deadline=context.deadline(),
        ),
        tracing.span(
            f"process {claim.name}",
            "consumer",
            parent=parent,
            attributes=facts,
            held=held,
            is_entry=True,
            harmless=(Ignore,),
        ) as span,
    ):
        yield span


def outcome(text: str, **facts: Any) -> None:
    """Note how the running attempt ended: done, ignored, failed or dead."""
    trace.get_current_span().set_attributes(
        {"atoll.outcome": text, **{f"atoll.{name}": value for name, value in facts.items()}}
    )


def _facts(operation: str, kind: str, destination: str, message_id: Any) -> dict[str, Any]:
    """``kind`` is the convention's type of the operation. The destination is the routing key: the type of an
    event, or the commanded service."""
    return {
        "messaging.system": _system(),
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        "messaging.destination.name": destination,
        "messaging.message.id": message_id,
    }


@cache
def _system() -> str:
    """The broker by the name that the convention has for it: ``rabbitmq``, ``redis``."""
    try:
        url = conf.broker_url(conf.project_name())
    except ImproperlyConfigured:
        return "memory"  # of the test kit
    scheme = urlsplit(url).scheme.partition("+")[0]
    return {"amqp": "rabbitmq", "amqps": "rabbitmq", "rediss": "redis"}.get(scheme, scheme)
