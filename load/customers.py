"""Customers with accounts of their own, and the products that they order."""

import threading
from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

from demo.shopper import Json, Refused, Shopper

SIGN_IN_AGAIN = "invalid_token"
LEAST_STOCK = 50
# No email address contains a part of the password, which users would refuse.
PASSWORD = "Quiet Moorings 4 Us"  # noqa: S105 - of accounts that exist for a load run

Answer = TypeVar("Answer")


class Customer:
    """An account. Any number of connections, each on its own thread, use it."""

    def __init__(self, gateway_url: str, *, timeout_s: float) -> None:
        """Sign up. Raises Refused and PlatformNotRunning."""
        self.gateway_url = gateway_url
        self.timeout_s = timeout_s
        self._email = f"load-{uuid4().hex[:16]}@atoll.example"
        self._lock = threading.Lock()
        shopper = Shopper(gateway_url, timeout_s=timeout_s)
        shopper.register(self._email, PASSWORD, "Load Customer")
        self._token = shopper.authorization()

    def token(self, ended: dict[str, str] | None = None) -> dict[str, str]:
        """The header with the token. Signs in for a new one when the token is ``ended``."""
        with self._lock:
            if self._token == ended:
                shopper = Shopper(self.gateway_url, timeout_s=self.timeout_s)
                shopper.sign_in(self._email, PASSWORD)
                self._token = shopper.authorization()
            return self._token


class Connection:
    """A connection of a customer to the gateway, for one thread."""

    def __init__(self, customer: Customer) -> None:
        self.customer = customer
        self._shopper = Shopper(customer.gateway_url, timeout_s=customer.timeout_s)
        self._sign(customer.token())

    def ask(self, question: Callable[[Shopper], Answer]) -> Answer:
        """The answer to ``question``. Asks again with a new token when the token has ended.

        ``question`` must be safe to repeat.
        """
        try:
            return question(self._shopper)
        except Refused as refused:
            if refused.code != SIGN_IN_AGAIN:
                raise
        self._sign(self.customer.token(ended=self._shopper.authorization()))
        return question(self._shopper)

    def _sign(self, token: dict[str, str]) -> None:
        self._shopper.sign(token["Authorization"].removeprefix("Bearer "))


def orderable(shopper: Shopper) -> list[Json]:
    """Products with LEAST_STOCK pieces or more, of the first hundred. Raises Refused without one."""
    found = [row for row in shopper.products(inStock="true", pageSize=100) if row["stock"] >= LEAST_STOCK]
    if not found:
        message = f"No product of the catalogue has {LEAST_STOCK} pieces in stock."
        raise Refused(404, {"error": "Empty shop", "message": message})
    return found
