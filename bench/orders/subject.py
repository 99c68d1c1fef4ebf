"""The platform that is measured: this checkout, or another one, on the bench's PostgreSQL."""

import os
from pathlib import Path

from atoll.dev.servers import PREFIX as PREFIX
from atoll.dev.servers import create_databases, real_servers
from atoll.testing.running import Platform
from bench.postgres import Server


def brokers() -> dict[str, dict[str, str]]:
    """The brokers of this machine, each with the variables that name it."""
    found: dict[str, dict[str, str]] = {"embedded": {}}
    url = real_servers().get("RABBITMQ_URL")
    return found | ({"rabbitmq": {"RABBITMQ_URL": url, "BUS_PREFIX": PREFIX}} if url else {})


def subject(broker: str, root: Path, server: Server, *, traces: str = "on") -> Platform:
    """A platform that is not started yet, with empty databases.

    Shoppers order faster than two cores confirm; the limit of open orders must not end a measurement.
    """
    create_databases(server.url)
    variables = {
        "DATABASE_URL": server.url,
        "ATOLL_DATABASE_PREFIX": PREFIX,
        "ORDERS_MAX_OPEN_ORDERS": "100000",
        "TRACES": "true" if traces == "on" else "false",
        # The interpreter belongs to this checkout, and would import its library.
        "PYTHONPATH": f"{root}{os.pathsep}{root / 'platform'}",
    }
    return Platform(f"bench-{broker}", variables | brokers()[broker], root=root)
