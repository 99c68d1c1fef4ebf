"""Follows accepted orders until they are final, and counts lost and doubled ones at the end."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count

import requests

from demo.shopper import FINAL, Json, PlatformNotRunning, Refused, Shopper
from load.customers import Connection, Customer
from load.figures import Figures

PAGE = 100
PAUSE_S = 0.5
UNREACHABLE = (Refused, PlatformNotRunning, requests.RequestException)


@dataclass(frozen=True)
class Outcome:
    """``lost``: accepted orders that their customers do not find. ``not_final``: still open at the end.

    ``doubled``: orders that customers find beyond those that they placed. None: the platform did not tell.
    """

    lost: int | None
    not_final: int
    doubled: int | None


class Outcomes:
    """The accepted orders that are not known to be final. Only these take memory."""

    def __init__(self, customers: Sequence[Customer], figures: Figures) -> None:
        self.accepted_orders = 0
        self._first, self._last = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
        self._figures = figures
        self._lock = threading.Lock()
        self._open: dict[Customer, dict[str, float]] = {customer: {} for customer in customers}
        self._connections = {customer: Connection(customer) for customer in customers}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def accepted(self, connection: Connection, order_id: str, due_s: float) -> None:
        with self._lock:
            self.accepted_orders += 1
            self._open[connection.customer][order_id] = due_s

    @property
    def open_orders(self) -> int:
        with self._lock:
            return sum(map(len, self._open.values()))

    @property
    def span_s(self) -> float:
        """Seconds from the first acceptance to the last end, of the orders that are known to be final."""
        return max(0.0, (self._last - self._first).total_seconds())

    def follow(self, poll_s: float) -> None:
        """Look at one customer's newest orders every ``poll_s`` seconds, on a thread, until ``conclude``."""
        self._thread = threading.Thread(target=self._follow, args=(poll_s,), daemon=True)
        self._thread.start()

    def _follow(self, poll_s: float) -> None:
        while not self._stopping.wait(poll_s):
            for customer in [customer for customer, held in self._open.items() if held]:
                with suppress(*UNREACHABLE):
                    self._look(customer, newest_only=True)
                if self._stopping.wait(poll_s):
                    return

    def conclude(self, settle_s: float, unclear: int) -> Outcome:
        """Wait until all orders are final, at most ``settle_s`` seconds, and count.

        ``unclear``: the number of orders that may have been placed without an answer.
        """
        self._stopping.set()
        if self._thread and self._thread.is_alive():
            self._thread.join()
        deadline = time.monotonic() + settle_s
        while True:
            with suppress(*UNREACHABLE):
                missing = sum(self._look(customer) for customer, held in self._open.items() if held)
                if self.open_orders == missing:
                    break
            if time.monotonic() > deadline:
                break
            time.sleep(PAUSE_S)
        return self._count(unclear)

    def _count(self, unclear: int) -> Outcome:
        try:
            lost = sum(self._look(customer) for customer, held in self._open.items() if held)
            found = sum(
                connection.ask(lambda shopper: int(shopper.ask("GET", "/api/orders/summary")["total"]))
                for connection in self._connections.values()
            )
        except UNREACHABLE:
            return Outcome(None, self.open_orders, None)
        placed = self.accepted_orders - lost + unclear
        return Outcome(lost, self.open_orders - lost, max(0, found - placed))

    def _look(self, customer: Customer, *, newest_only: bool = False) -> int:
        """Take note of final orders. Returns the number of open orders that were on none of the pages."""
        with self._lock:
            wanted = dict(self._open[customer])
        orders = self._newest(customer, len(wanted)) if newest_only else self._all(customer)
        for order in orders:
            due_s = wanted.pop(order["id"], None)
            if due_s is not None and order["status"] in FINAL:
                self._note(customer, order, due_s)
            if not wanted:
                break
        return len(wanted)

    def _note(self, customer: Customer, order: Json, due_s: float) -> None:
        created = datetime.fromisoformat(order["createdAt"])
        finished = datetime.fromisoformat(order["finishedAt"])
        reason = order.get("reason")
        status = f"{order['status']}: {reason}" if reason else str(order["status"])
        self._figures.final(due_s, (finished - created).total_seconds(), status)
        with self._lock:
            self._first, self._last = min(self._first, created), max(self._last, finished)
            del self._open[customer][order["id"]]

    def _newest(self, customer: Customer, number: int) -> list[Json]:
        size = min(PAGE, number)
        return self._connections[customer].ask(lambda shopper: shopper.orders(pageSize=size))

    def _all(self, customer: Customer) -> Iterator[Json]:
        """The customer's orders, newest first."""
        for number in count(1):
            rows = self._connections[customer].ask(partial(_page, number=number))
            yield from rows
            if len(rows) < PAGE:
                return


def _page(shopper: Shopper, number: int) -> list[Json]:
    return shopper.orders(pageSize=PAGE, page=number)
