"""The processor time of a read: a list of products, a product, an order and an account.

    make bench-reads

The services users, products and orders run without workers, gateway and registry. Beside them runs
`bench.reads.plain`: the same Granian with a plain Django view and one query, which answers the same bytes.
Needs a PostgreSQL server and a Redis server (DATABASE_URL, REDIS_URL; default: the servers of this
machine).

The last line is one JSON object. ``NAME_cpu_ms`` is the processor time of the service's web process per
request, ``NAME_database_cpu_ms`` that of its PostgreSQL sessions, ``NAME_plain_cpu_ms`` that of the
peer's web process, and ``NAME_ratio`` the first divided by the last.
"""

import asyncio
import json
import sys
import tempfile
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

from bench.reads.client import Client
from bench.reads.servers import Plain, Server, Service

REQUESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
CONNECTIONS = 4
WARM_UP = 200
# More than one page has, so that each page reads many rows.
PRODUCTS_IN_LIST = 20


class Shop:
    """The running servers, one customer, and one order of two products."""

    def __init__(self, home: Path, servers: ExitStack) -> None:
        self.users, self.products, self.orders = services = [
            Service(name, home) for name in ("users", "products", "orders")
        ]
        self.plain = Plain(home)
        for server in (*services, self.plain):
            servers.callback(server.stop)
        self.users.set_up(services, "sync_credentials")
        self.products.set_up(services, "seed")
        self.orders.set_up(services)
        self.plain.set_up()

    async def prepare(self) -> None:
        account = {"email": "bench@atoll.example", "password": "bench-pass-phrase-1", "name": "Ben Ch"}
        signed = await asked(self.users, "POST", "/auth/register", body=account)
        self.token, self.user_id = signed["accessToken"], signed["user"]["id"]
        listed = await asked(self.products, "GET", "/products?inStock=true&pageSize=100")
        self.product_ids = [product["id"] for product in listed]
        items = [{"productId": product_id, "quantity": 1} for product_id in self.product_ids[:2]]
        order = await asked(self.orders, "POST", "/orders", token=self.token, body={"items": items})
        self.order_id = order["id"]

    def reads(self) -> dict[str, tuple[Server, str, list[str]]]:
        """By name: the service, the token and the addresses."""
        return {
            "list": (self.products, "", ["/products"]),
            "product": (self.products, "", [f"/products/{self.product_ids[0]}"]),
            "order": (self.orders, self.token, [f"/orders/{self.order_id}"]),
            "user": (self.users, self.token, [f"/users/{self.user_id}"]),
        }


async def asked(server: Server, method: str, path: str, *, token: str = "", body: Any = None) -> Any:
    client = Client(server.port, token)
    status, content = await client.ask(method, path, body)
    client.close()
    if status >= 400:
        raise RuntimeError(f"{method} {path} of {server.name}: {status} {content!r}")
    return json.loads(content)


async def load(server: Server, paths: list[str], count: int, token: str) -> None:
    left, addresses = iter(range(count)), cycle(paths)

    async def read() -> None:
        client = Client(server.port, token)
        for _ in left:
            status, body = await client.ask("GET", next(addresses))
            if status != 200:
                raise RuntimeError(f"{server.name} answered {status}: {body!r}")
        client.close()

    await asyncio.gather(*(read() for _ in range(CONNECTIONS)))


def measure(server: Server, paths: list[str], token: str) -> tuple[float, float]:
    """Milliseconds of processor time per request: of the web server, and of its database sessions."""
    asyncio.run(load(server, paths, WARM_UP, token))
    web, database = server.web_s(), server.database_s()
    asyncio.run(load(server, paths, REQUESTS, token))
    share = 1000 / REQUESTS
    return (server.web_s() - web) * share, (server.database_s() - database) * share


async def store_answers(plain: Plain, server: Server, paths: list[str], token: str) -> None:
    client = Client(server.port, token)
    for path in paths:
        plain.store(path, (await client.ask("GET", path))[1])
    client.close()


def figures_of(shop: Shop) -> dict[str, float]:
    figures: dict[str, float] = {}
    for name, (server, token, paths) in shop.reads().items():
        asyncio.run(store_answers(shop.plain, server, paths, token))
        web, database = measure(server, paths, token)
        plain, plain_database = measure(shop.plain, paths, "")
        figures |= {
            f"{name}_cpu_ms": round(web, 3),
            f"{name}_database_cpu_ms": round(database, 3),
            f"{name}_plain_cpu_ms": round(plain, 3),
            f"{name}_plain_database_cpu_ms": round(plain_database, 3),
            f"{name}_ratio": round(web / plain, 2),
        }
    return figures


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-reads-") as home, ExitStack() as servers:
        shop = Shop(Path(home), servers)
        asyncio.run(shop.prepare())
        figures = figures_of(shop)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
