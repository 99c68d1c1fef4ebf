"""Confirmed orders per second, and the time from acceptance to confirmation, for each broker.

    make bench-orders

For each broker of this machine (``embedded``; ``rabbitmq`` if one answers) the benchmark starts
a platform on 2 cores, which also run the load generator:

1. throughput: SHOPPERS shoppers order for LOAD_S seconds, each as soon as the last order is
   answered. ``confirmed_per_s`` is the number of confirmed orders divided by the time from the
   first acceptance to the last confirmation;
2. latency: an open loop at half of that rate. ``p50_ms`` and ``p99_ms`` are the times from
   acceptance to confirmation, by the clock of the orders service.

``lost`` counts the accepted orders of both parts that were never confirmed.
"""

import json
import random
import sys
import threading
import time
from datetime import datetime
from typing import Any

from atoll.testing.running import Platform, platforms
from demo.shopper import FINAL, Item, Refused, Shopper

SHOPPERS = 6
LOAD_S = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
SETTLE_S = 120.0
SEED = 7
SHARE_OF_THROUGHPUT = 0.5


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Customer:
    """One shopper with one connection, who remembers the accepted and refused orders."""

    def __init__(self, gateway_url: str, products: list[dict[str, Any]], seed: int) -> None:
        self.shopper = Shopper(gateway_url, timeout_s=30)
        self.shopper.register()
        self.products = products
        self.random = random.Random(seed)
        self.accepted: list[str] = []
        self.refused: list[str] = []

    def order(self) -> None:
        product = self.random.choice(self.products)
        try:
            self.accepted.append(self.shopper.place_order([Item(product["id"], 1)])["id"])
        except Refused as refused:
            self.refused.append(str(refused))

    def outcomes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        page = 1
        while True:
            orders = self.shopper.orders(pageSize=100, page=page)
            found += orders
            if len(orders) < 100:
                return found
            page += 1


def in_parallel(customers: list[Customer], work: Any) -> None:
    threads = [threading.Thread(target=work, args=(customer,)) for customer in customers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def settled(customers: list[Customer]) -> list[dict[str, Any]]:
    """Wait until all orders are final, at most SETTLE_S. Returns all orders."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        orders = [order for customer in customers for order in customer.outcomes()]
        if all(order["status"] in FINAL for order in orders) or time.monotonic() > deadline:
            return orders
        time.sleep(0.5)


def closed_loop(customers: list[Customer]) -> None:
    until = time.monotonic() + LOAD_S

    def shop(customer: Customer) -> None:
        while time.monotonic() < until:
            customer.order()

    in_parallel(customers, shop)


def open_loop(customers: list[Customer], per_s: float) -> None:
    """Each customer orders at fixed times, independent of the duration of the last answer."""
    begun = time.monotonic()
    every = len(customers) / per_s

    def shop(customer: Customer) -> None:
        offset = customers.index(customer) / per_s
        for number in range(int(LOAD_S / every)):
            time.sleep(max(0.0, begun + offset + number * every - time.monotonic()))
            customer.order()

    in_parallel(customers, shop)


def measure(platform: Platform) -> dict[str, float]:
    # Six shoppers order faster than two cores confirm. The limit of open orders must not end the measurement.
    platform.variables["ORDERS_MAX_OPEN_ORDERS"] = "100000"
    platform.start()
    try:
        browser = Shopper(platform.gateway_url)
        browser.register()
        products = [found for found in browser.products(inStock="true", pageSize=100) if found["stock"] >= 50]
        loaders = [Customer(platform.gateway_url, products, SEED + number) for number in range(SHOPPERS)]
        closed_loop(loaders)
        loaded = settled(loaders)
        confirmed = [order for order in loaded if order["status"] == "confirmed"]
        span = max(moment(order["finishedAt"]) for order in confirmed) - min(
            moment(order["createdAt"]) for order in loaded
        )
        per_s = len(confirmed) / span

        timers = [Customer(platform.gateway_url, products, SEED * 100 + number) for number in range(SHOPPERS)]
        open_loop(timers, per_s * SHARE_OF_THROUGHPUT)
        timed = settled(timers)
        waits = sorted(
            (moment(order["finishedAt"]) - moment(order["createdAt"])) * 1000
            for order in timed
            if order["status"] == "confirmed"
        )
        accepted = sum(len(customer.accepted) for customer in loaders + timers)
        return {
            "confirmed_per_s": round(per_s, 1),
            "p50_ms": round(waits[len(waits) // 2], 1),
            "p99_ms": round(waits[int(len(waits) * 0.99)], 1),
            "lost": accepted - len(confirmed) - len(waits),
            "accepted": accepted,
            "refused": sum(len(customer.refused) for customer in loaders + timers),
            "latency_rate_per_s": round(per_s * SHARE_OF_THROUGHPUT, 1),
        }
    finally:
        platform.stop()


def main() -> None:
    figures = {}
    for name, make in sorted(platforms().items(), reverse=True):
        figures[name] = measure(make())
        print(f"{name}: {json.dumps(figures[name])}", flush=True)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
