"""An issuer outside the platform, such as a company's Keycloak, by its discovery document."""

import threading
import time
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from atoll import wire
from atoll.errors import AtollError, Unavailable
from atoll.identity.key_source import KeySource
from atoll.identity.oidc import configuration
from atoll.identity.oidc.issuers import Refused, id_token_of

DISCOVERY_PATH = "/.well-known/openid-configuration"
FRESH_S = 600.0
TIMEOUT_S = 5.0
MAX_ANSWER_BYTES = 256 * 1024


class OutsideIssuer:
    """Reads the discovery document when it is needed, and again after FRESH_S. Thread-safe."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._document: dict[str, Any] | None = None
        self._fetched_at = 0.0
        self._keys = KeySource(self._fetch_keys)

    @property
    def name(self) -> str:
        return self._name

    def authorization_endpoint(self) -> str:
        return self._endpoint("authorization_endpoint")

    def end_session_endpoint(self) -> str | None:
        return self._endpoint("end_session_endpoint") if "end_session_endpoint" in self._discover() else None

    def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> str:
        status, answer = self._ask(
            "POST",
            self._endpoint("token_endpoint"),
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
            },
            auth=(configuration.client_id(), configuration.client_secret()),
        )
        if status != 200:
            told = answer.get("error") if isinstance(answer, dict) else ""
            raise Refused(f"the issuer answered {status} {told}")
        return id_token_of(answer)

    def find_key(self, kid: str) -> RSAPublicKey | None:
        return self._keys.find(kid)

    def _fetch_keys(self) -> Any:
        status, document = self._ask("GET", self._endpoint("jwks_uri"))
        if status != 200:
            raise self._unavailable(f"answered {status} for its keys")
        return document

    def _discover(self) -> dict[str, Any]:
        """The document; the last one while the issuer is away. Raises Unavailable before the first."""
        with self._lock:
            held = self._document
            if held is not None and time.monotonic() - self._fetched_at < FRESH_S:
                return held
            try:
                self._document = self._fetched()
            except Unavailable:
                if held is None:
                    raise
                return held
            self._fetched_at = time.monotonic()
            return self._document

    def _fetched(self) -> dict[str, Any]:
        status, document = self._ask("GET", f"{self._name}{DISCOVERY_PATH}")
        if status != 200 or not isinstance(document, dict):
            raise self._unavailable(f"answered {status} for its discovery document")
        if str(document.get("issuer", "")).rstrip("/") != self._name:
            raise self._unavailable("has a discovery document of another issuer")
        return document

    def _endpoint(self, name: str) -> str:
        url = self._discover().get(name)
        if not isinstance(url, str) or not _is_safe(url):
            raise self._unavailable(f"has no usable {name}")
        return url

    def _ask(self, method: str, url: str, **options: Any) -> tuple[int, Any]:
        try:
            with requests.request(
                method, url, timeout=TIMEOUT_S, allow_redirects=False, stream=True, **options
            ) as reply:
                content = reply.raw.read(MAX_ANSWER_BYTES + 1, decode_content=True)
                status = reply.status_code
        except (requests.RequestException, OSError) as error:
            raise self._unavailable(f"does not answer: {error}") from error
        if len(content) > MAX_ANSWER_BYTES or status >= 500:
            raise self._unavailable(f"answered {status}")
        try:
            return status, wire.loads(content)
        except (ValueError, AtollError) as error:
            raise self._unavailable(f"answered {status} without JSON") from error

    def _unavailable(self, happened: str) -> Unavailable:
        return Unavailable("issuer", f"{self._name} {happened}")


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in configuration.LOOPBACK)


@cache
def outside(name: str) -> OutsideIssuer:
    return OutsideIssuer(name)
