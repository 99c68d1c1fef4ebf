"""A customer of the platform, who uses it by HTTP through the gateway."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import requests

SERVICE_UNAVAILABLE = 503
FINAL = frozenset({"confirmed", "cancelled", "refunded"})
FIRST_POLL_S = 0.02
SLOWEST_POLL_S = 0.5
POLL_GROWTH = 1.3

Json = dict[str, Any]


class PlatformNotRunning(Exception):
    """The gateway does not answer, or it is not ready."""


class NotFinal(Exception):
    """The order was still open after the time-out; ``order`` is its last known state."""

    def __init__(self, order: Json, waited_s: float) -> None:
        super().__init__(f"Order {order['id']} is still {order['status']} after {waited_s:.0f} s.")
        self.order = order


class Refused(Exception):
    """The gateway answered with an error; ``body`` has the error shape of docs/http.md."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body if isinstance(body, dict) else {}
        super().__init__(f"{status} {self.body.get('error', '')}: {self.body.get('message', body)}")

    @property
    def code(self) -> str:
        return str(self.body.get("code", ""))


@dataclass(frozen=True)
class Item:
    product_id: str
    quantity: int


class Shopper:
    """One customer with one connection to the gateway; signed in after register or sign_in.

    Every call raises Refused for a status of 400 or above, and PlatformNotRunning without a
    connection. Not thread-safe.
    """

    def __init__(self, gateway_url: str, *, timeout_s: float = 10.0) -> None:
        self.gateway_url = gateway_url.rstrip("/")
        self.timeout_s = timeout_s
        self.user: Json = {}
        self._session = requests.Session()
        # Do not use a proxy of the machine for the gateway.
        self._session.trust_env = False
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True

    def health(self) -> Json:
        """The health of the gateway. Raises PlatformNotRunning also for a gateway that is not ready."""
        try:
            return dict(self.ask("GET", "/health"))
        except Refused as refused:
            if refused.status != SERVICE_UNAVAILABLE:
                raise
            raise PlatformNotRunning(f"{self.gateway_url} is not ready yet: {refused.body}") from refused

    def register(
        self, email: str | None = None, password: str | None = None, name: str = "Demo Shopper"
    ) -> Json:
        """Register an account and sign in; without arguments, a new account each time."""
        answer = self.ask(
            "POST",
            "/auth/register",
            json={
                "email": email or f"shopper-{uuid4().hex[:12]}@atoll.example",
                "password": password or f"demo-{uuid4()}",
                "name": name,
            },
        )
        self.sign(answer["accessToken"])
        self.user = answer["user"]
        return self.user

    def sign_in(self, email: str, password: str) -> Json:
        answer = self.ask("POST", "/auth/token", json={"email": email, "password": password})
        self.sign(answer["accessToken"])
        self.user = answer.get("user") or {}
        return self.user

    def products(self, **filters: str | int) -> list[Json]:
        """The catalogue, filtered as ``GET /products`` allows: ``search``, ``inStock``, ``pageSize``..."""
        return list(self.ask("GET", "/api/products", params=filters))

    def product(self, product_id: str) -> Json:
        return dict(self.ask("GET", f"/api/products/{product_id}"))

    def stock(self, product_ids: Sequence[str]) -> dict[str, int]:
        """The available stock of each product, all read at the same moment."""
        return {product["id"]: product["stock"] for product in self.products(ids=",".join(product_ids))}

    def place_order(
        self,
        items: Sequence[Item],
        *,
        payment_method: str = "card",
        idempotency_key: str | None = None,
        expected_total: Decimal | None = None,
    ) -> Json:
        """Place an order; a second call with the same key returns the first order.

        Raises Refused with the code price_changed, without an order, if the total is not
        ``expected_total``.
        """
        body: Json = {
            "items": [{"productId": item.product_id, "quantity": item.quantity} for item in items],
            "paymentMethod": payment_method,
        }
        if expected_total is not None:
            # A double holds its 15 digits or fewer exactly.
            body["expectedTotal"] = float(expected_total)
        return dict(
            self.ask(
                "POST",
                "/api/orders",
                json=body,
                headers={"Idempotency-Key": idempotency_key or str(uuid4())},
            )
        )

    def order(self, order_id: str) -> Json:
        return dict(self.ask("GET", f"/api/orders/{order_id}"))

    def orders(self, **filters: str | int) -> list[Json]:
        return list(self.ask("GET", "/api/orders", params=filters))

    def cancel_order(self, order_id: str, reason: str = "") -> Json:
        return dict(self.ask("POST", f"/api/orders/{order_id}/cancel", json={"reason": reason}))

    def payments(self, order_id: str | None = None) -> list[Json]:
        """The shopper's payments, newest first; with ``order_id`` only the payments of this order."""
        found: list[Json] = self.ask("GET", "/api/payments")
        return [payment for payment in found if order_id in (None, payment["orderId"])]

    def dashboard(self) -> Json:
        return dict(self.ask("GET", f"/api/user/{self.user['id']}/dashboard"))

    def wait_until_final(
        self, order_id: str, timeout_s: float = 30.0, on_read: Callable[[Json], None] | None = None
    ) -> Json:
        """Read the order repeatedly until its status is final, with growing pauses.

        Calls ``on_read`` with each answer, also with the last one. Raises NotFinal.
        """
        started = time.monotonic()
        pause_s = FIRST_POLL_S
        while True:
            order = self.order(order_id)
            if on_read:
                on_read(order)
            waited_s = time.monotonic() - started
            if order["status"] in FINAL:
                return order
            if waited_s + pause_s > timeout_s:
                raise NotFinal(order, waited_s)
            time.sleep(pause_s)
            pause_s = min(pause_s * POLL_GROWTH, SLOWEST_POLL_S)

    def authorization(self) -> dict[str, str]:
        """The Authorization header, for requests that have no method here."""
        return {"Authorization": str(self._session.headers["Authorization"])}

    def sign(self, access_token: str) -> None:
        """Use this token for all later requests."""
        self._session.headers["Authorization"] = f"Bearer {access_token}"

    def ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The JSON of the answer. Raises PlatformNotRunning, and Refused for an error."""
        try:
            answer = self._session.request(
                method,
                self.gateway_url + path,
                json=json,
                params=params,
                headers=dict(headers or {}),
                timeout=self.timeout_s,
            )
        except requests.exceptions.SSLError as refusal:
            raise PlatformNotRunning(
                f"The certificate of {self.gateway_url} is not trusted here: name it in REQUESTS_CA_BUNDLE."
            ) from refusal
        except requests.ConnectionError as nobody:
            raise PlatformNotRunning(f"Nothing answers at {self.gateway_url}.") from nobody
        try:
            body = answer.json() if answer.content else {}
        except ValueError:
            body = answer.text[:200]
        if not answer.ok:
            raise Refused(answer.status_code, body)
        return body
