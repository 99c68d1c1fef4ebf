"""A server that stands in for RabbitMQ's management API."""

import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

ADMIN = "s3cret-of-admin"


class Server(ThreadingHTTPServer):
    """Stores the PUT bodies. Answers with the statuses of ``failures`` first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.kept: dict[tuple[str, ...], dict[str, str]] = {}
        self.failures: list[int] = []
        self.asked: list[str] = []

    def url(self, password: str = ADMIN) -> str:
        return f"http://admin:{password}@127.0.0.1:{self.server_port}"

    def rows(self, path: tuple[str, ...]) -> Any:
        """Return the body as RabbitMQ answers, or None without one."""
        match path:
            case ("vhosts", "/"):
                return {"name": "/"}
            case ("users", user, "permissions") if ("users", user) in self.kept:
                return [
                    {"vhost": key[1], **values}
                    for key, values in self.kept.items()
                    if key[0] == "permissions" and key[2] == user
                ]
            case ("topic-permissions", _, user) if ("users", user) in self.kept:
                return [self.kept[path]] if path in self.kept else []
        return None


class Requests(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._answer(self.server.rows)

    def do_PUT(self) -> None:
        values = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(lambda path: self.server.kept.update({path: values}) or {})

    def _answer(self, work: Any) -> None:
        path = tuple(unquote(part) for part in self.path.removeprefix("/api/").split("/"))
        self.server.asked.append(f"{self.command} {' '.join(path)}")
        expected = "Basic " + base64.b64encode(f"admin:{ADMIN}".encode()).decode()
        if self.headers["Authorization"] != expected:
            status, found = 401, {"error": "not_authorised"}
        elif self.server.failures:
            status, found = self.server.failures.pop(0), {"error": "not yet"}
        else:
            found = work(path)
            status = 404 if found is None else 200
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
