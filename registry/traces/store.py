"""Stores spans, within bounds, and deletes them after an hour.

The bound is a number of spans and of bytes a minute, in each process of the registry. Failed and slow spans
have a reserve beyond it, so that a flood of good ones does not keep them out.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from atoll import conf
from registry.traces.batch import Batch, Told

SPANS_PER_MINUTE = 6_000
BYTES_PER_MINUTE = 4 * 1024 * 1024
RESERVE = 1.25
SLOW_US = 1_000_000
KEPT_S = 3600
DELETE_EVERY_S = 60.0
DELETED_AT_ONCE = 20_000
# For so long other processes are told that a trace went wrong: longer than their rings keep its spans.
WANTED_S = 15
MAX_WANTED = 200
READ_EVERY_S = 1.0

# Journeys are written in the order of their ids: two batches with the same ones cannot block each other.
STORE = """
WITH told AS MATERIALIZED (
    SELECT one.trace_id, one.span_id, one.parent_id, one.correlation_id, one.name, one.kind, one.started_at,
        one.duration_us, one.error, one.attributes::jsonb AS attributes, one.is_bad
    FROM json_to_recordset(%(spans)s) AS one (
        trace_id uuid, span_id text, parent_id text, correlation_id text, name text, kind text,
        started_at timestamptz, duration_us bigint, error text, attributes text, is_bad boolean)
), fresh AS (
    INSERT INTO registry_span
        (trace_id, span_id, parent_id, correlation_id, service, instance, process, name, kind,
         started_at, duration_us, error, attributes)
    SELECT trace_id, span_id, parent_id, correlation_id, %(service)s, %(instance)s, %(process)s, name, kind,
         started_at, duration_us, error, attributes FROM told
    ON CONFLICT (trace_id, span_id) DO NOTHING
    RETURNING trace_id, span_id
), counted AS (
    SELECT told.* FROM told JOIN fresh USING (trace_id, span_id)
)
INSERT INTO registry_journey AS journey
    (trace_id, correlation_id, name, service, started_at, ended_at, spans, errors, slowest_us, request_us,
     bad_at)
SELECT trace_id, max(correlation_id),
    COALESCE((array_agg(name ORDER BY started_at) FILTER (WHERE parent_id = ''))[1], ''),
    COALESCE(max(%(service)s) FILTER (WHERE parent_id = ''), ''),
    min(started_at), max(started_at + duration_us * interval '1 microsecond'), count(*),
    count(*) FILTER (WHERE error <> ''), max(duration_us),
    (array_agg(duration_us ORDER BY started_at) FILTER (WHERE parent_id = ''))[1],
    CASE WHEN bool_or(is_bad) THEN statement_timestamp() END
FROM counted GROUP BY trace_id ORDER BY trace_id
ON CONFLICT (trace_id) DO UPDATE SET
    correlation_id = GREATEST(journey.correlation_id, excluded.correlation_id),
    name = COALESCE(NULLIF(excluded.name, ''), journey.name),
    service = COALESCE(NULLIF(excluded.service, ''), journey.service),
    started_at = LEAST(journey.started_at, excluded.started_at),
    ended_at = GREATEST(journey.ended_at, excluded.ended_at),
    spans = journey.spans + excluded.spans,
    errors = journey.errors + excluded.errors,
    slowest_us = GREATEST(journey.slowest_us, excluded.slowest_us),
    request_us = COALESCE(journey.request_us, excluded.request_us),
    bad_at = COALESCE(excluded.bad_at, journey.bad_at)
"""
WANTED = """
SELECT trace_id FROM registry_journey
WHERE bad_at > statement_timestamp() - make_interval(secs => %s) ORDER BY bad_at DESC LIMIT %s
"""
DELETE_SPANS = """
DELETE FROM registry_span WHERE id IN (
    SELECT id FROM registry_span WHERE received_at < statement_timestamp() - make_interval(secs => %s)
    ORDER BY received_at LIMIT %s)
"""
DELETE_JOURNEYS = """
DELETE FROM registry_journey WHERE trace_id IN (
    SELECT trace_id FROM registry_journey
    WHERE started_at < statement_timestamp() - make_interval(secs => %s)
      AND ended_at < statement_timestamp() - make_interval(secs => %s)
    ORDER BY started_at LIMIT %s)
"""


@dataclass(frozen=True)
class Stored:
    """``wanted``: traces of which every process sends what it still has."""

    accepted: int
    dropped: int
    wanted: list[str]


class SpanStore:
    """Thread-safe. Counts what it accepts in memory."""

    def __init__(
        self, *, spans_per_minute: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = spans_per_minute or conf.whole_number("TRACES_SPANS_PER_MINUTE", SPANS_PER_MINUTE)
        self._clock = clock
        self._lock = threading.Lock()
        self._minute = -1
        self._spans = self._bytes = 0
        self._next_delete = 0.0
        self._next_read = -math.inf
        self._last_read: list[str] = []

    def store(self, batch: Batch) -> Stored:
        """Raises django.db.Error."""
        kept = self._within_bounds(batch.spans)
        if kept:
            values = {
                "spans": json.dumps([_row(one) for one in kept]),
                "service": batch.service,
                "instance": batch.instance,
                "process": batch.process,
            }
            with connection.cursor() as cursor:
                cursor.execute(STORE, values)
        self._delete_old()
        wanted = self._wanted(any(_is_bad(one) for one in kept))
        return Stored(len(kept), len(batch.spans) - len(kept), wanted)

    def _wanted(self, has_bad: bool) -> list[str]:
        """The traces that went wrong lately. Every process asks; the database is asked once a second, and
        when it has been told of one more."""
        now = self._clock()
        with self._lock:
            if not has_bad and now < self._next_read:
                return self._last_read
            self._next_read = now + READ_EVERY_S
        with connection.cursor() as cursor:
            cursor.execute(WANTED, [WANTED_S, MAX_WANTED])
            wanted = [UUID(str(trace_id)).hex for (trace_id,) in cursor.fetchall()]
        self._last_read = wanted
        return wanted

    def _within_bounds(self, spans: Sequence[Told]) -> list[Told]:
        kept = []
        with self._lock:
            minute = int(self._clock() // 60)
            if minute != self._minute:
                self._minute, self._spans, self._bytes = minute, 0, 0
            for one in spans:
                share = RESERVE if _is_bad(one) else 1.0
                if self._spans < self._most * share and self._bytes < BYTES_PER_MINUTE * share:
                    self._spans += 1
                    self._bytes += one.size
                    kept.append(one)
        return kept

    def _delete_old(self) -> None:
        now = self._clock()
        with self._lock:
            if now < self._next_delete:
                return
            self._next_delete = now + DELETE_EVERY_S
        delete_old()


def delete_old(older_than_s: float = KEPT_S) -> None:
    with connection.cursor() as cursor:
        cursor.execute(DELETE_SPANS, [older_than_s, DELETED_AT_ONCE])
        cursor.execute(DELETE_JOURNEYS, [older_than_s, older_than_s, DELETED_AT_ONCE])


def _row(span: Told) -> dict[str, Any]:
    return {
        "trace_id": span.trace_id.hex,
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "correlation_id": span.correlation_id,
        "name": span.name,
        "kind": span.kind,
        "started_at": span.started_at.isoformat(),
        "duration_us": span.duration_us,
        "error": span.error,
        "attributes": span.attributes,
        "is_bad": _is_bad(span),
    }


def _is_bad(span: Told) -> bool:
    return bool(span.error) or span.duration_us >= SLOW_US
