"""Writes figures by the minute, and sums them for pages. All times are on the database's clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from psycopg2.extras import execute_values

from registry.console.figures.counts import SIZE, Counts

KEPT = timedelta(hours=25)

ADD = """
INSERT INTO registry_figure (minute, kind, service, name, count, errors, seconds, buckets, value, peak)
VALUES %s
ON CONFLICT (minute, kind, service, name) DO UPDATE SET
    count = registry_figure.count + EXCLUDED.count,
    errors = registry_figure.errors + EXCLUDED.errors,
    seconds = registry_figure.seconds + EXCLUDED.seconds,
    buckets = ARRAY(
        SELECT COALESCE(a, 0) + COALESCE(b, 0)
        FROM unnest(registry_figure.buckets, EXCLUDED.buckets) WITH ORDINALITY AS pair (a, b, place)
        ORDER BY place),
    value = EXCLUDED.value,
    peak = GREATEST(registry_figure.peak, EXCLUDED.peak)
"""
ROW = """(date_trunc('minute', statement_timestamp()), %s, %s, %s, %s, %s, %s,
    %s::bigint[], %s::float8, %s::float8)"""
SUMS = "sum(count), sum(errors), sum(seconds), ARRAY[" + ", ".join(
    f"COALESCE(sum(buckets[{place}]), 0)" for place in range(1, SIZE + 1)
) + "]"  # fmt: skip
TOTALS = f"""
SELECT service, name, {SUMS} FROM registry_figure
WHERE minute > statement_timestamp() - %(period)s AND kind = %(kind)s
    AND (%(service)s = '' OR service = %(service)s)
GROUP BY service, name
"""  # noqa: S608
SERIES = f"""
SELECT date_bin(%(step)s, minute, TIMESTAMPTZ '2000-01-01 00:00Z') AS at, {SUMS}, max(peak)
FROM registry_figure
WHERE minute > statement_timestamp() - %(period)s AND kind = %(kind)s
    AND (%(service)s = '' OR service = %(service)s) AND (%(name)s = '' OR name = %(name)s)
GROUP BY 1 ORDER BY 1
"""  # noqa: S608
GAUGES = """
SELECT DISTINCT ON (service, name) service, name, value FROM registry_figure
WHERE minute > statement_timestamp() - INTERVAL '3 minutes' AND kind = 'gauge'
ORDER BY service, name, minute DESC
"""
SPAN = """
SELECT extract(epoch FROM statement_timestamp() - greatest(
    min(minute), date_trunc('minute', statement_timestamp() - %(period)s)))
FROM registry_figure WHERE minute > statement_timestamp() - %(period)s
"""


@dataclass(frozen=True)
class Total:
    service: str
    name: str
    counts: Counts


@dataclass(frozen=True)
class Point:
    """The counts of one step of time, and the peak of a gauge."""

    at: datetime
    counts: Counts
    peak: float | None


def add(counts: Mapping[tuple[str, str, str], Counts], gauges: Mapping[tuple[str, str], float]) -> None:
    """Add counts by kind, service and name, and gauges by service and name, to the present minute."""
    rows: list[tuple[Any, ...]] = [
        (
            kind,
            service,
            name,
            int(one.count),
            int(one.errors),
            one.seconds,
            list(map(int, one.buckets)),
            None,
            None,
        )
        for (kind, service, name), one in counts.items()
    ]
    rows += [
        ("gauge", service, name, 0, 0, 0.0, [], value, value) for (service, name), value in gauges.items()
    ]
    if rows:
        with connection.cursor() as cursor:
            execute_values(cursor.cursor, ADD, sorted(rows, key=lambda row: row[:3]), template=ROW)


def forget_old() -> int:
    """Delete what is older than KEPT; the number of rows."""
    asked: list[Any] = [KEPT]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM registry_figure WHERE minute < statement_timestamp() - %s", asked)
        return int(cursor.rowcount)


def totals(kind: str, period: timedelta, service: str = "") -> list[Total]:
    asked: dict[str, Any] = {"kind": kind, "period": period, "service": service}
    with connection.cursor() as cursor:
        cursor.execute(TOTALS, asked)
        return [Total(service, name, _counts(sums)) for service, name, *sums in cursor.fetchall()]


def series(kind: str, period: timedelta, step: timedelta, service: str = "", name: str = "") -> list[Point]:
    """One point for each ``step`` that has a figure, oldest first."""
    asked: dict[str, Any] = {"kind": kind, "period": period, "step": step, "service": service, "name": name}
    with connection.cursor() as cursor:
        cursor.execute(SERIES, asked)
        return [Point(at, _counts(sums), peak) for at, *sums, peak in cursor.fetchall()]


def gauges() -> dict[tuple[str, str], float]:
    """The newest value of each gauge by service and name; gauges of the last three minutes."""
    with connection.cursor() as cursor:
        cursor.execute(GAUGES)
        return {(service, name): value for service, name, value in cursor.fetchall()}


def measured_s(period: timedelta) -> float:
    """The seconds of the period for which there are figures, at least one."""
    asked: dict[str, Any] = {"period": period}
    with connection.cursor() as cursor:
        cursor.execute(SPAN, asked)
        [(seconds,)] = cursor.fetchall()
    return max(float(seconds or 0), 1.0)


def _counts(sums: Sequence[object]) -> Counts:
    count, errors, seconds, buckets = sums
    return Counts(float(count), float(errors), float(seconds), [float(one) for one in buckets])  # type: ignore
