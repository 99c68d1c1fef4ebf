"""A foreign issuer for tests: its discovery document and key set on loopback, and tokens signed by it."""

import json
import ssl
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "https://api.shop.test"
DISCOVERY = "/realms/shop/.well-known/openid-configuration"
KEYS = "/realms/shop/certs"


@cache
def private_keys() -> dict[str, Any]:
    """A key for each kind, by its ``kid``. Made once in a test run."""
    return {
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "other-rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
    }


def public_row(kid: str, **changes: Any) -> dict[str, Any]:
    """The row of a key in a JWK set. As at Entra ID it names no algorithm."""
    public = private_keys()[kid].public_key()
    reader: Any = ECAlgorithm if kid.startswith("p") else RSAAlgorithm if "rsa" in kid else OKPAlgorithm
    return reader.to_jwk(public, as_dict=True) | {"kid": kid, "use": "sig"} | changes


class IdentityProvider:
    """``documents`` are the answers by path: JSON, or a status and fields. ``asked`` are requested paths."""

    def __init__(self, certificate: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self.asked: list[str] = []
        self.documents: dict[str, Any] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if certificate is not None:
            self._server.socket = certificate.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if certificate is not None else "http"
        self.origin = f"{scheme}://{host}:{self._server.server_port}"
        self.issuer = f"{self.origin}/realms/shop"
        self.documents[DISCOVERY] = {"issuer": self.issuer, "jwks_uri": f"{self.origin}{KEYS}"}
        self.publish("rsa", "p256", "p384", "ed25519")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def publish(self, *kids: str) -> None:
        self.documents[KEYS] = {"keys": [public_row(kid) for kid in kids]}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def row(self, **fields: Any) -> dict[str, Any]:
        """The issuer in the form of a published table."""
        return {
            "name": "shop",
            "issuer": self.issuer,
            "audience": [AUDIENCE],
            "algorithms": ["RS256"],
            **fields,
        }

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Claims that are good, with ``changes``. A claim of None is left out."""
        now = int(time.time())
        given = {"iss": self.issuer, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 600, **changes}
        return {name: value for name, value in given.items() if value is not None}

    def token(self, kid: str = "rsa", algorithm: str = "RS256", **changes: Any) -> str:
        return jwt.encode(self.claims(**changes), private_keys()[kid], algorithm, headers={"kid": kid})

    def _handler(provider) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                found = provider.documents.get(self.path, (404, {}))
                status, fields = found if isinstance(found, tuple) else (200, {})
                body = found if isinstance(found, bytes) else json.dumps(found).encode()
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        return Handler
