"""Users and products for orders: a real HTTP server with the answers of the test."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from atoll.ids import uuid7


class Neighbours:
    """``users`` and ``products`` by id, in the JSON of these services.

    ``asked`` and ``headers`` hold the address and headers of every request that came in. With
    ``together`` an answer waits until another request has come in, too.
    """

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.products: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.failing_with: int | None = None
        self.together: threading.Barrier | None = None
        self.url = ""

    def user(self, **changes: Any) -> UUID:
        user_id = uuid7()
        self.users[str(user_id)] = {
            "id": str(user_id),
            "email": "ada@example.com",
            "name": "Ada Lovelace",
            "roles": [],
            "isActive": True,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "updatedAt": "2026-01-01T00:00:00.000Z",
        } | changes
        return user_id

    def product(self, cost: str = "24.90", **changes: Any) -> str:
        product_id = str(uuid7())
        self.products[product_id] = {
            "id": product_id,
            "sku": "LAMP-1",
            "name": "Trail lamp",
            "price": float(Decimal(cost)),
            "currency": "EUR",
            "stock": 10,
            "isActive": True,
        } | changes
        return product_id

    def answer(self, path: str) -> tuple[int, Any]:
        self.asked.append(path)
        if self.failing_with:
            return self.failing_with, {"error": "Broken", "message": "told to", "code": "broken"}
        parts = urlsplit(path)
        if parts.path == "/auth/service-token":
            return 200, {"accessToken": "token-of-orders", "expiresIn": 600}
        if self.together:
            self.together.wait(timeout=10)
        if parts.path == "/products":
            wanted = parse_qs(parts.query)["ids"][0].split(",")
            return 200, [self.products[product_id] for product_id in wanted if product_id in self.products]
        user = self.users.get(parts.path.removeprefix("/users/"))
        return (200, user) if user else (404, {"error": "User not found", "code": "user_not_found"})


@contextmanager
def serving(neighbours: Neighbours) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            neighbours.headers.append(dict(self.headers))
            status, body = neighbours.answer(self.path)
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *arguments: Any) -> None:
            """Tests are told by ``asked``."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    neighbours.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
