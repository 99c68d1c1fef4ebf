"""A gateway in miniature: customers with tokens, one product, and orders that become final when read."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CREATED_AT = "2026-11-23T10:00:00.000Z"
FINISHED_AT = "2026-11-23T10:00:00.250Z"


class Shop:
    """``refusals`` answer the first orders. A token in ``ended`` is refused."""

    def __init__(self) -> None:
        self.url = ""
        self.stock = 1000
        self.health = 200
        self.refusals: list[tuple[int, dict[str, str]]] = []
        self.orders: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.keys: dict[str, dict[str, Any]] = {}
        self.ended: set[str] = set()
        # Of accepted orders: "confirmed", "cancelled", "pending", "lost" or "doubled".
        self.fate = "confirmed"
        self.at_order = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._tokens = 0
        self._lock = threading.Lock()

    def answer(
        self, method: str, path: str, body: dict[str, Any], headers: dict[str, str]
    ) -> tuple[int, Any]:
        parts = urlsplit(path)
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        match (method, parts.path):
            case ("GET", "/health"):
                return self.health, {"status": "ok"}
            case ("POST", "/auth/register" | "/auth/token"):
                return 201, {"user": {"id": body["email"]}, "accessToken": self._token(body["email"])}
            case ("GET", "/api/products"):
                return 200, [{"id": "lamp", "name": "Lamp", "stock": self.stock}]
        if token in self.ended:
            return 403, {
                "error": "invalid_token",
                "message": "This token has expired.",
                "code": "invalid_token",
            }
        customer = token.partition(" ")[0]
        match (method, parts.path):
            case ("POST", "/api/orders"):
                self.at_order.set()
                self.may_answer.wait(10)
                with self._lock:
                    return self._place(customer, headers["Idempotency-Key"])
            case ("GET", "/api/orders"):
                return 200, self._page(customer, parse_qs(parts.query))
            case ("GET", "/api/orders/summary"):
                return 200, {"total": len(self.orders[customer])}
        return 404, {"code": "not_found"}

    def _token(self, email: str) -> str:
        with self._lock:
            self._tokens += 1
            return f"{email} {self._tokens}"

    def _place(self, customer: str, key: str) -> tuple[int, Any]:
        if self.refusals:
            return self.refusals.pop(0)
        if key not in self.keys:
            order = {
                "id": f"o{len(self.keys)}", "status": "pending", "reason": "",
                "createdAt": CREATED_AT, "finishedAt": None,
            }  # fmt: skip
            self.keys[key] = order
            copies = {"lost": 0, "doubled": 2}.get(self.fate, 1)
            self.orders[customer] += [dict(order) for _ in range(copies)]
        return 201, self.keys[key]

    def _page(self, customer: str, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        size, page = int(query["pageSize"][0]), int(query.get("page", "1")[0])
        final = {"confirmed": ("confirmed", ""), "cancelled": ("cancelled", "out_of_stock")}
        status, reason = final.get(self.fate, ("confirmed", ""))
        for order in self.orders[customer]:
            if self.fate != "pending":
                order.update(status=status, reason=reason, finishedAt=FINISHED_AT)
        return self.orders[customer][::-1][(page - 1) * size : page * size]


@contextmanager
def serving(shop: Shop) -> Iterator[Shop]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer in one packet: a second one would wait for the client's ACK

        def do_GET(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = shop.answer(self.command, self.path, json.loads(raw or b"{}"), dict(self.headers))
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *arguments: Any) -> None:
            """The tests look at ``shop`` alone."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shop
    finally:
        shop.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join()
