"""The databases from outside: products to order, and the wait until all work has ended."""

import random
import time
from contextlib import closing
from typing import Any

import psycopg2

from atoll import conf
from tests.chaos import wire
from tests.chaos.inside_project import run_inside
from tests.chaos.journal import Journal
from tests.chaos.shoppers import Crowd
from tests.chaos.system import System

WITH_BUS = ("users", "products", "orders", "payments")
POLL_S = 0.3
# All work has ended when nothing was open for this long.
QUIET_S = 1.5
SCARCE, PLENTY = 4, 12

OPEN = """
SELECT (SELECT count(*) FROM atoll_bus_outbox WHERE status = 'pending')
     + (SELECT count(*) FROM atoll_bus_delivery AS delivery WHERE status IN ('pending', 'running'))
"""


def rows(system: System, project: str, statement: str) -> list[tuple[Any, ...]]:
    database = conf.project(project).database
    with (
        closing(psycopg2.connect(system.superuser_url(database))) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
        return list(cursor.fetchall())


def versions(system: System) -> dict[str, str]:
    found = {"postgresql": str(rows(system, "orders", "SHOW server_version")[0][0])}
    if system.node:
        found["rabbitmq"] = system.node.control("version").strip()
    else:
        found["broker"] = "embedded (Valkey)"
    return found


def stock(system: System) -> dict[str, int]:
    return {
        str(row[0]): row[1]
        for row in rows(system, "products", "SELECT id, stock_on_hand FROM products_product")
    }


def wanted_products(system: System) -> list[str]:
    """Return a few products that will sell out, and many that will not."""
    ranked = [
        str(row[0])
        for row in rows(
            system,
            "products",
            "SELECT id FROM products_product WHERE is_active AND stock_on_hand > 0 AND currency = 'EUR' "
            "ORDER BY stock_on_hand, id",
        )
    ]
    return ranked[:SCARCE] + ranked[-PLENTY:]


def sleep_until_over(crowd: Crowd) -> None:
    """Wait until the customers have finished, or only wait for answers."""
    while crowd.until > time.monotonic():
        time.sleep(0.1)


def unpublished(system: System, project: str) -> int:
    """Return the number of unpublished messages in a service's outbox."""
    return int(rows(system, project, "SELECT count(*) FROM atoll_bus_outbox WHERE status = 'pending'")[0][0])


def unsettled(system: System) -> dict[str, int]:
    """Return the numbers of unfinished rows by place; empty when all work has ended."""
    found = {name: int(rows(system, name, OPEN)[0][0]) for name in WITH_BUS}
    found["open orders"] = int(
        rows(
            system,
            "orders",
            "SELECT count(*) FROM orders_order WHERE status NOT IN ('confirmed', 'cancelled')",
        )[0][0]
    )
    if system.node:
        for name in WITH_BUS:
            for queue in ("evt", "cmd", "work"):
                full = f"{queue}.{conf.project(name).service}"
                found[full] = wire.depth(system.node.port, full) or 0
    return {name: count for name, count in found.items() if count}


def settle(system: System, within_s: float) -> float | None:
    """Wait until all work has ended. Returns the seconds that it took, or None after a time-out."""
    begun = time.monotonic()
    quiet_since: float | None = None
    while time.monotonic() < begun + within_s:
        if unsettled(system):
            quiet_since = None
        elif quiet_since is None:
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > QUIET_S:
            return round(quiet_since - begun, 1)
        time.sleep(POLL_S)
    print(f"Still on the way: {unsettled(system)}")
    return None


def replay(system: System, journal: Journal, chance: random.Random, count: int) -> None:
    """Run settled deliveries again, and note their rows before the replay."""
    for name in ("orders", "payments", "products"):
        done = rows(
            system,
            name,
            "SELECT id, attempts, finished_at FROM atoll_bus_delivery WHERE status = 'done' ORDER BY id",
        )
        chosen = chance.sample(done, min(count, len(done)))
        run_inside(name, "replay", *[str(row[0]) for row in chosen])
        journal.write("replayed", project=name, rows=[[str(value) for value in row] for row in chosen])
