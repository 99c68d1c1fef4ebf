"""Customers who order at a steady rate and repeat each request until it has an answer."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import requests

from demo.shopper import Item, PlatformNotRunning, Refused, Shopper
from tests.chaos.journal import Journal

ANSWER_TIMEOUT_S = 8.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.2, 2.0
# No email address contains a part of the password, which users would refuse.
PASSWORD = "Quiet Moorings 4 Us"
SIGN_IN_AGAIN = 401
# Answers that say nothing about the order: ask again with the same key.
UNCLEAR = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
METHODS = {"card": 70, "card-declined": 9, "card-timeout": 9, "card-flaky": 9, "no-such-method": 3}
ACTIONS = {"order": 86, "order_and_cancel": 8, "rename": 4, "delete_account": 2}

Json = dict[str, Any]


class Unanswered(Exception):
    """The run ended before the request had an answer."""


class Customer:
    """One shopper on a thread of its own, who sometimes deletes the account and signs up again."""

    def __init__(
        self, gateway_url: str, products: list[str], journal: Journal, seed: int, halted: threading.Event
    ) -> None:
        self._gateway_url = gateway_url
        self._products = products
        self._journal = journal
        self._random = random.Random(seed)
        # Set when the customer must stop waiting for answers.
        self._halted = halted
        self._shopper = Shopper(gateway_url, timeout_s=ANSWER_TIMEOUT_S)
        self._email = self._password = ""
        # Attempts of the last request that had no answer.
        self._unclear = 0
        self.accepted = 0

    def sign_up(self) -> None:
        self._email, self._password = f"chaos-{uuid4().hex}@atoll.example", PASSWORD
        self._shopper = Shopper(self._gateway_url, timeout_s=ANSWER_TIMEOUT_S)
        answer, refusal = self._insist(
            lambda: self._shopper.register(self._email, self._password, "Chaos Customer")
        )
        if refusal and refusal.code == "email_taken":
            # An earlier attempt succeeded, but its answer was lost.
            answer, refusal = self._insist(lambda: self._shopper.sign_in(self._email, self._password))
        if answer is None:
            raise AssertionError(f"{self._email} can neither sign up nor sign in: {refusal}")
        if not self._shopper.user:
            self._shopper.user, refusal = self._insist(
                lambda: dict(self._shopper.ask("GET", "/api/users/me"))
            )
            assert self._shopper.user, refusal
        self._journal.write("customer", user=self._shopper.user["id"])

    def shop(self, every_s: float, until: float) -> None:
        """Run one action every ``every_s`` seconds, independent of earlier answers."""
        due = time.monotonic() + self._random.uniform(0, every_s)
        try:
            while due < until:
                time.sleep(max(0.0, due - time.monotonic()))
                getattr(self, f"_{self._pick(ACTIONS)}")()
                due = max(due + every_s, time.monotonic() - 5 * every_s)
        except Unanswered:
            return
        except Exception as error:
            # An unexpected error of a customer is a bug of the test and must be reported.
            self._journal.write("bewildered", error=repr(error))
            raise

    def _order(self) -> str | None:
        key, method = str(uuid4()), self._pick(METHODS)
        chosen = self._random.sample(self._products, self._random.choice((1, 1, 1, 2)))
        items = [Item(product, self._random.choice((1, 1, 2, 3))) for product in chosen]
        user = self._shopper.user["id"]
        self._journal.write("asked", key=key, user=user)
        try:
            order, refusal = self._insist(
                lambda: self._shopper.place_order(items, payment_method=method, idempotency_key=key)
            )
        except Unanswered:
            self._journal.write("unanswered", key=key, user=user)
            raise
        if order is None:
            self._journal.write("refused", key=key, user=user, unclear=self._unclear, why=str(refusal))
            return None
        self._journal.write("accepted", key=key, order=order["id"], user=user, method=method)
        self.accepted += 1
        return str(order["id"])

    def _order_and_cancel(self) -> None:
        order = self._order()
        if order is None:
            return
        time.sleep(self._random.choice((0.0, 0.02, 0.1, 0.3)))
        cancelled, _ = self._insist(lambda: self._shopper.cancel_order(order, "changed my mind"))
        if cancelled is not None:
            self._journal.write("cancelled", order=order)

    def _rename(self) -> None:
        user, name = self._shopper.user["id"], f"Renamed {uuid4().hex[:8]}"
        self._insist(lambda: self._shopper.ask("PATCH", f"/api/users/{user}", json={"name": name}))
        self._journal.write("renamed", user=user, name=name)

    def _delete_account(self) -> None:
        user = self._shopper.user["id"]
        proof = {"currentPassword": self._password}
        self._insist(lambda: self._shopper.ask("DELETE", f"/api/users/{user}", json=proof))
        self._journal.write("deleted", user=user)
        self.sign_up()

    def _insist(self, ask: Callable[[], Json]) -> tuple[Json | None, Refused | None]:
        """Repeat a request until an answer settles it. Returns the answer or the refusal."""
        pause_s, self._unclear = FIRST_PAUSE_S, 0
        while True:
            try:
                return ask() or {}, None
            except Refused as refused:
                if refused.status == SIGN_IN_AGAIN and self._signed_in_again():
                    continue
                if refused.status not in UNCLEAR or refused.code in SETTLED_CONFLICTS:
                    return None, refused
            except (PlatformNotRunning, requests.RequestException):
                pass
            self._unclear += 1
            if self._halted.wait(pause_s * self._random.uniform(0.5, 1.0)):
                raise Unanswered
            pause_s = min(pause_s * 2, LAST_PAUSE_S)

    def _signed_in_again(self) -> bool:
        """Sign in again, since tokens live ten minutes. Returns False for a deleted account."""
        try:
            answer = self._shopper.ask(
                "POST", "/auth/token", json={"email": self._email, "password": self._password}
            )
        except Refused as refused:
            return refused.status in UNCLEAR
        except (PlatformNotRunning, requests.RequestException):
            return not self._halted.wait(FIRST_PAUSE_S)
        self._shopper.sign(answer["accessToken"])
        return True

    def _pick(self, weights: dict[str, int]) -> str:
        return self._random.choices(list(weights), list(weights.values()))[0]


# Conflicts that are answers, other than "a request with this key is being worked on".
SETTLED_CONFLICTS = frozenset(
    {"order_already_confirmed", "email_taken", "price_changed", "total_too_large", "too_many_open_orders"}
)


class Crowd:
    """All customers of a run, who share ``per_s`` actions per second."""

    def __init__(
        self, gateway_url: str, products: list[str], journal: Journal, seed: int, *, size: int, per_s: float
    ) -> None:
        self.halted = threading.Event()
        self.customers = [
            Customer(gateway_url, products, journal, seed * 1000 + number, self.halted)
            for number in range(size)
        ]
        self._every_s = size / per_s
        self._threads: list[threading.Thread] = []
        self.until = 0.0  # time.monotonic()

    def start(self, seconds: float) -> None:
        """Returns when all customers have signed up."""
        with ThreadPoolExecutor(len(self.customers)) as pool:
            list(pool.map(Customer.sign_up, self.customers))
        self.until = time.monotonic() + seconds
        for customer in self.customers:
            thread = threading.Thread(target=customer.shop, args=(self._every_s, self.until), daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self, timeout_s: float) -> int:
        """Wait until all customers have their last answers. Returns the number of customers without one."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.halted.set()
        waiting = sum(thread.is_alive() for thread in self._threads)
        for thread in self._threads:
            thread.join(ANSWER_TIMEOUT_S + LAST_PAUSE_S)
        return waiting

    @property
    def accepted(self) -> int:
        return sum(customer.accepted for customer in self.customers)
