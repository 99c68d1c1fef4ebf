"""One measurement of one platform, from outside: HTTP, /proc, and the counters of the engines."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from atoll.testing.running import Platform, eventually
from bench import meters
from bench.postgres import Counts, Server
from load.run import Plan, Run

SHOPPERS = 24
LATENCY_PER_S = 10.0
LATENCY_CONNECTIONS = 16
WARM_UP_S = 3.0
SETTLE_S = 120.0
AMQP_PORT = 5672
# The work that follows a confirmation, and the delay of PostgreSQL's counters.
AFTERMATH_S = 1.5
OPEN = "SELECT count(*) FROM orders_order WHERE status IN ('pending', 'awaiting_payment')"
STOCK = "SELECT sum(stock_on_hand)::bigint FROM products_product"

Figures = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    cpu_s: dict[str, float]
    counts: Counts
    published: int | None


def measure(platform: Platform, server: Server, seconds: float) -> Figures:
    """Start the platform, measure both parts, stop it. Raises AssertionError when one of these fails."""
    platform.start()
    try:
        stock = _stock(server)
        warm_up = _run(platform, None, SHOPPERS, WARM_UP_S)
        _finish(warm_up, server)
        loaded = _run(platform, None, SHOPPERS, seconds)
        before = read(platform, server)
        _finish(loaded, server)
        after = read(platform, server)
        timed = _run(platform, LATENCY_PER_S, LATENCY_CONNECTIONS, seconds)
        _finish(timed, server)
        runs = [warm_up, loaded, timed]
        for run in runs:
            run.conclude()
        gone = stock - _stock(server)
    finally:
        platform.stop()
    return _rate(loaded) | _latency(timed) | _wrong(runs, gone) | _costs(before, after, loaded)


def read(platform: Platform, server: Server) -> Reading:
    """The counters now. ``rabbitmqctl`` spends processor time itself, outside of the processes that count."""
    state = platform.state()
    cpu_s = {row["name"]: meters.cpu_of_tree(row["pid"]) for row in state["processes"] if row["pid"]}
    cpu_s["supervisor"] = sum(map(meters.cpu_of_process, (state["pid"], state["keeper"]["pid"])))
    cpu_s["postgres"] = meters.cpu_of_tree(server.pid)
    broker = platform.variables.get("RABBITMQ_URL")
    if broker and (broker_s := meters.cpu_of_rabbitmq(urlsplit(broker).port or AMQP_PORT)) is not None:
        cpu_s["rabbitmq"] = broker_s
    counts = server.counts()
    return Reading(cpu_s, counts, meters.published() if broker else None)


def _run(platform: Platform, per_s: float | None, connections: int, seconds: float) -> Run:
    """Sign up the customers, which costs more than their orders."""
    plan = Plan(platform.gateway_url, per_s, seconds, connections, timeout_s=30, settle_s=0, poll_s=None)
    return Run(plan)


def _finish(run: Run, server: Server) -> None:
    """Place the orders, and wait until all are final.

    The database is asked for it, since HTTP requests would cost the platform time.
    """
    run.start()
    run.loop.join()
    orders = f"{server.prefix}order_service_db"
    eventually(lambda: server.rows(orders, OPEN) == [(0,)], timeout_s=SETTLE_S, what="every order is final")
    time.sleep(AFTERMATH_S)


def _rate(run: Run) -> Figures:
    return {"confirmed_per_s": round(_confirmed(run) / run.outcomes.span_s, 1)}


def _latency(run: Run) -> Figures:
    found = run.results()
    return {
        "p50_ms": found["final_p50_ms"],
        "p99_ms": found["final_p99_ms"],
        "latency_rate_per_s": LATENCY_PER_S,
    }


def _wrong(runs: list[Run], gone: int) -> Figures:
    confirmed = sum(map(_confirmed, runs))
    accepted = sum(run.outcomes.accepted_orders for run in runs)
    unplaced = sum(run.outcome.doubled or 0 for run in runs if run.outcome)
    return {
        "lost": accepted - confirmed,
        "doubled": unplaced + max(0, gone - confirmed),
        "accepted": accepted,
        "refused": sum(run.figures.total().failed for run in runs),
    }


def _costs(before: Reading, after: Reading, run: Run) -> Figures:
    orders = run.outcomes.accepted_orders
    spent = meters.spent(before.cpu_s, after.cpu_s)
    counts = after.counts - before.counts
    publishes = (
        None if after.published is None or before.published is None else after.published - before.published
    )
    return {
        "cpu_ms_per_order": round(sum(spent.values()) * 1000 / orders, 1),
        "cpu_ms_by_process": {
            name: round(seconds * 1000 / orders, 2)
            for name, seconds in sorted(spent.items(), key=lambda item: -item[1])
        },
        "statements_per_order": round(counts.statements / orders, 1),
        "commits_per_order": round(counts.commits / orders, 1),
        "wal_kb_per_order": round(counts.wal_bytes / 1000 / orders, 1),
        "publishes_per_order": None if publishes is None else round(publishes / orders, 1),
    }


def _confirmed(run: Run) -> int:
    return run.figures.statuses["confirmed"]


def _stock(server: Server) -> int:
    return int(server.rows(f"{server.prefix}product_service_db", STOCK)[0][0])
