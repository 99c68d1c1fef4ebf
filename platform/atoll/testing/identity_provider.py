"""An issuer outside of the platform for tests: its discovery document, key set and tokens, on loopback."""

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "https://api.shop.test"
DISCOVERY = "/realms/shop/.well-known/openid-configuration"
KEYS = "/realms/shop/certs"

# The claims of access tokens as the products document them, beside iss, iat and exp.
KEYCLOAK = {
    "aud": ["account", AUDIENCE],
    "sub": "3d1f2c64-6e0a-4d6c-9a4e-2f1f1f0f7a11",
    "typ": "Bearer",
    "azp": "shop-web",
    "sid": "0f7c7ae5",
    "acr": "1",
    "realm_access": {"roles": ["offline_access", "shop-operator", "uma_authorization"]},
    "resource_access": {"account": {"roles": ["manage-account"]}, "shop.web": {"roles": ["cook"]}},
    "scope": "openid email profile",
    "preferred_username": "ada",
    "email": "ada@example.com",
}
AUTH0 = {
    "aud": [AUDIENCE, "https://shop.eu.auth0.com/userinfo"],
    "sub": "auth0|6650f1c1a0b2c3d4e5f60718",
    "azp": "x4kBJ5Jm",
    "scope": "openid profile",
    "permissions": ["read:orders"],
    "https://shop.example.com/roles": ["shop-operator"],
}
ENTRA = {
    "aud": AUDIENCE,
    "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
    "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
    "tid": "9122040d-6c67-4c5b-b112-36a304b66dad",
    "ver": "2.0",
    "aio": "Df2UVXL1ix!lMCWMSOJBcFatzcGfvFGhjKv8q5g0x732dR5MB5BisvGQO7YWByjd8iQDLq!eGbID",
    "roles": ["shop-operator"],
    "scp": "access_as_user",
}


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
    row: dict[str, Any] = reader.to_jwk(public, as_dict=True)
    return row | {"kid": kid, "use": "sig"} | changes


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


def _hs256_with_the_public_key(provider: IdentityProvider) -> str:
    pem = (
        private_keys()["rsa"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )

    def part(value: dict[str, Any]) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "kid": "rsa"}) + b"." + part(provider.claims())
    mac = hmac.new(pem, signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def _with_header(provider: IdentityProvider, **header: Any) -> str:
    return jwt.encode(provider.claims(), private_keys()["rsa"], "RS256", headers=header)


BAD_TOKENS: dict[str, Callable[[IdentityProvider], str]] = {
    "none": lambda p: jwt.encode(p.claims(), "", algorithm="none", headers={"kid": "rsa"}),
    "hs256 with the public key": _hs256_with_the_public_key,
    "key of another kind": lambda p: p.token("p256", "ES256"),
    "signed by a stranger": lambda p: jwt.encode(
        p.claims(), private_keys()["other-rsa"], "RS256", headers={"kid": "rsa"}
    ),
    "unknown key": lambda p: p.token("other-rsa"),
    "no key id": lambda p: jwt.encode(p.claims(), private_keys()["rsa"], "RS256"),
    "key id with a line break": lambda p: _with_header(p, kid="\n"),
    "critical extension": lambda p: _with_header(p, kid="rsa", crit=["x"], x=1),
    "embedded key": lambda p: jwt.encode(
        p.claims(),
        private_keys()["other-rsa"],
        "RS256",
        headers={"kid": "other-rsa", "jwk": public_row("other-rsa"), "jku": f"{p.origin}{KEYS}"},
    ),
    "expired": lambda p: p.token(exp=int(time.time()) - 60),
    "no expiry": lambda p: p.token(exp=None),
    "not yet": lambda p: p.token(nbf=int(time.time()) + 3600),
    "other audience": lambda p: p.token(aud="https://other.test"),
    "no audience": lambda p: p.token(aud=None),
    "no id": lambda p: p.token(sub=None),
    "empty id": lambda p: p.token(sub=""),
    "id with a line break": lambda p: p.token(sub='ada\r\nx-user-roles: ["admin"]'),
    "id with a control character": lambda p: p.token(sub="ada\x00"),
    "id with half a character": lambda p: p.token(sub="ada\ud800"),
    "id that is too long": lambda p: p.token(sub="a" * 256),
    "id that is an object": lambda p: p.token(sub={"a": 1}),
    "expiry that is a text": lambda p: p.token(exp="tomorrow"),
    "expiry without end": lambda p: p.token(exp=float("inf")),
    "too long": lambda p: p.token(padding="x" * 13_000),
    "no signature": lambda p: p.token().rsplit(".", 1)[0] + ".",
    "id token of Keycloak": lambda p: p.token(typ="ID"),
    "refresh token of Keycloak": lambda p: p.token(typ="Refresh"),
    "id token of Cognito": lambda p: p.token(token_use="id"),
    "id token with the hash of an access token": lambda p: p.token(at_hash="x"),
    "logout token": lambda p: p.token(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
    "type of a logout token": lambda p: _with_header(p, kid="rsa", typ="logout+jwt"),
    "issued in the future": lambda p: p.token(iat=int(time.time()) + 3600),
}
"""Tokens that nobody may accept, by the reason: the attacks on JSON Web Tokens of RFC 8725 and others."""
