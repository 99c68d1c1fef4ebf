"""Steady load for minutes: sizes and dead rows of the ledger's tables, latency, and an old snapshot."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from atoll import conf
from atoll.dev.databases import with_database
from bench.bus.load import OpenLoop
from bench.bus.meter import Meter
from bench.bus.service import Figures, Service, percentile

PER_S = 100
TABLES = """
SELECT relname, pg_total_relation_size(relid), n_live_tup, n_dead_tup FROM pg_stat_user_tables
WHERE relname LIKE 'atoll_bus_%' AND n_tup_ins > 0 ORDER BY relname
"""


def soak(service: Service, minutes: float, runs: int) -> Figures:
    """Prints one JSON object a minute. Returns the first, the last, and the effect of a snapshot."""
    seen = []
    with service.worker():
        for minute in range(max(1, round(minutes))):
            loop = OpenLoop(service.numbers(PER_S * 60), PER_S)
            loop.run()
            waits, _ = service.waits(loop)
            seen.append(_minute(service, minute, waits))
            print(json.dumps(seen[-1]), flush=True)
    first, last = seen[0], seen[-1]
    return {
        "soak_first_p99_ms": first["p99_ms"],
        "soak_last_p99_ms": last["p99_ms"],
        "soak_first_kb_per_row": first["kb_per_row"],
        "soak_last_kb_per_row": last["kb_per_row"],
        "held_snapshot_ratio": _held_snapshot(service, runs),
    }


def _minute(service: Service, minute: int, waits: list[float]) -> dict[str, float]:
    rows = service.server.rows(conf.project("bench").database, TABLES)
    live = sum(row[2] for row in rows)
    tables = {f"{name}_mb": round(size / 1e6, 1) for name, size, _, _ in rows}
    return {
        "minute": minute + 1,
        "p50_ms": percentile(waits, 0.5),
        "p99_ms": percentile(waits, 0.99),
        "rows": live,
        "dead_rows": sum(row[3] for row in rows),
        "kb_per_row": round(sum(row[1] for row in rows) / 1000 / max(1, live), 2),
        **tables,
    }


def _held_snapshot(service: Service, runs: int) -> float:
    """Handler runs per second while a transaction holds an old snapshot, divided by those without."""
    per_s = []
    for is_held in (False, True):
        numbers = service.fill_queue(runs)
        with _snapshot(service, is_held=is_held), service.worker() as process:
            meter, before = Meter(service.server, process), service.handled(numbers)
            service.wait_for(numbers)
            per_s.append(meter.per_message("runs", len(numbers) - before)["runs_per_s"])
    return round(per_s[1] / per_s[0], 2)


@contextmanager
def _snapshot(service: Service, *, is_held: bool) -> Iterator[None]:
    if not is_held:
        yield
        return
    connection = psycopg2.connect(with_database(service.server.url, conf.project("bench").database))
    try:
        connection.set_session(isolation_level="REPEATABLE READ")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        yield
    finally:
        connection.close()
