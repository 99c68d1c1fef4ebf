import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from atoll import conf
from atoll.client.service_client import process_pool
from atoll.identity import verification
from atoll.identity.oidc import own_issuer
from atoll.ids import uuid7
from atoll.testing import tokens

from .sign_in import SECRET, UsersService


@pytest.fixture
def users(
    monkeypatch: pytest.MonkeyPatch, settings: Any, atoll_trusted_test_key: None
) -> Iterator[UsersService]:
    service = UsersService()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/auth/service-token":
                token = tokens.service_access_token(json.loads(raw)["clientId"])
                self._send(200, {"accessToken": token, "expiresIn": 900}, {})
            else:
                self._send(*service.exchange(self.headers, dict(parse_qsl(raw.decode()))))

        def do_GET(self) -> None:
            self._send(*service.get(self.path))

        def _send(self, status: int, answer: dict[str, Any], headers: dict[str, str]) -> None:
            raw = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("LIBRARY_SERVICE_SECRET", SECRET)
    monkeypatch.setenv("USER_SERVICE_URL", f"http://127.0.0.1:{server.server_address[1]}")
    own = urlsplit(conf.redis_url())._replace(path="/9").geturl()
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": own}}
    settings.RATELIMIT_CACHE_PREFIX = f"test:{uuid7()}:"
    verification.forget_keys()
    own_issuer.forget()
    process_pool.cache_clear()
    yield service
    server.shutdown()
    thread.join()
    server.server_close()
    process_pool.cache_clear()
    verification.forget_keys()
