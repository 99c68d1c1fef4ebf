"""A gateway in miniature: one shop with three products, over real HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PLACED_AT = "2026-11-23T10:00:00.000Z"
FINISHED_AT = "2026-11-23T10:00:00.250Z"


class Shop:
    """Each reading of the order moves it one step along ``steps``."""

    def __init__(self) -> None:
        self.steps = ["stock.reserved awaiting_payment", "payment.completed confirmed"]
        self.stock = {"lamp": 10, "rope": 10, "tent": 10}
        # The price of a piece in an order; the catalogue shows 10.
        self.price = 10.0
        self.order: dict[str, Any] = {}
        self.headers: list[dict[str, str]] = []
        self.broken_with: tuple[int, bytes] | None = None
        self.url = ""

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        parts = urlsplit(path)
        match (method, parts.path):
            case ("GET", "/health"):
                return 200, {"status": "ok"}
            case ("POST", "/auth/register"):
                return 201, {"user": {"id": "u1", **body}, "accessToken": "token-of-u1"}
            case ("GET", "/api/products"):
                wanted = parse_qs(parts.query).get("ids")
                names = wanted[0].split(",") if wanted else list(self.stock)
                return 200, [self.product(name) for name in names]
            case ("POST", "/api/orders"):
                total = sum(self.price * item["quantity"] for item in body["items"])
                if body.get("expectedTotal", total) != total:
                    return 409, {"error": "Price changed", "message": "Ask again.", "code": "price_changed"}
                self.order = self.placed(body)
                return 201, self.order
            case ("GET", "/api/payments"):
                return 200, [self.payment(), self.payment() | {"orderId": "another"}]
            case ("GET", "/api/orders/o1"):
                self.advance()
                return 200, self.order
        return 404, {"error": "Not found", "message": "Nothing is here.", "code": "not_found"}

    def product(self, name: str) -> dict[str, Any]:
        return {"id": name, "name": name.title(), "price": 10.0, "currency": "EUR", "stock": self.stock[name]}

    def payment(self) -> dict[str, Any]:
        status = "completed" if self.order["status"] == "confirmed" else "failed"
        return {"orderId": "o1", "amount": 60, "currency": "EUR", "method": "card", "status": status}

    def placed(self, body: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": "o1",
            "status": "pending",
            "reason": "",
            "total": 60,
            "currency": "EUR",
            "paymentMethod": body["paymentMethod"],
            "items": body["items"],
            "createdAt": PLACED_AT,
            "finishedAt": None,
            "history": [
                {
                    "event": "order.placed",
                    "to": "pending",
                    "reason": "",
                    "at": PLACED_AT,
                    "correlationId": "c1",
                }
            ],
        }

    def advance(self) -> None:
        if not self.steps:
            return
        event, status = self.steps.pop(0).split()
        taken = {"awaiting_payment": 1, "cancelled": -1}.get(status, 0)
        for item in self.order["items"]:
            self.stock[item["productId"]] -= taken * item["quantity"]
        self.order["status"] = status
        self.order["reason"] = "card_declined" if status == "cancelled" else ""
        self.order["finishedAt"] = FINISHED_AT if status in ("confirmed", "cancelled") else None
        self.order["history"].append({"event": event, "to": status, "reason": "", "at": FINISHED_AT})


@contextmanager
def serving(shop: Shop) -> Iterator[Shop]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            shop.headers.append(dict(self.headers))
            if shop.broken_with:
                status, content = shop.broken_with
            else:
                status, body = shop.answer(self.command, self.path, json.loads(raw or b"{}"))
                content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *arguments: Any) -> None:
            """``shop.headers`` has the headers of each request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
