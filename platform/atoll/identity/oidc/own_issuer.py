"""Users as the issuer. Browsers know it by its public address, and services call it by discovery."""

import base64
import time

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from atoll import conf
from atoll.client import ServiceClient
from atoll.errors import BadAnswer
from atoll.identity.oidc import configuration
from atoll.identity.oidc.issuers import Refused, id_token_of
from atoll.identity.verification import key_source

AUTHORIZE_PATH = "/admin/oidc/authorize"
END_SESSION_PATH = "/admin/oidc/logout"
TOKEN_PATH = "/auth/oidc/token"  # noqa: S105
DISCOVERY_PATH = "/.well-known/openid-configuration"
SEEN_S = 2.0
TIMEOUT_S = 3.0

_seen_at = -SEEN_S


class OwnIssuer:
    """Uses the key set that verifies access tokens, so keys rotate in one place."""

    @property
    def name(self) -> str:
        return conf.public_urls("users")[0]

    def authorization_endpoint(self) -> str:
        _look()
        return f"{self.name}{AUTHORIZE_PATH}"

    def end_session_endpoint(self) -> str | None:
        _look()
        return f"{self.name}{END_SESSION_PATH}"

    def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> str:
        credential = f"{configuration.client_id()}:{configuration.client_secret()}"
        reply = ServiceClient("user-service", timeout_s=TIMEOUT_S).request(
            "POST",
            TOKEN_PATH,
            form={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
            },
            headers={"Authorization": f"Basic {base64.b64encode(credential.encode()).decode()}"},
            token=False,
        )
        if not reply.ok:
            raise Refused(f"users answered {reply.status}")
        return id_token_of(reply.json())

    def find_key(self, kid: str) -> RSAPublicKey | None:
        return key_source().find(kid)


def _look() -> None:
    """Raises Unavailable when users does not answer. One call in SEEN_S, however many browsers ask."""
    global _seen_at
    if time.monotonic() - _seen_at < SEEN_S:
        return
    reply = ServiceClient("user-service", timeout_s=TIMEOUT_S).get(DISCOVERY_PATH, token=False)
    if not reply.ok:
        raise BadAnswer("user-service", f"answered {reply.status}")
    _seen_at = time.monotonic()


def forget() -> None:
    """Look again at the next sign-in, like after a restart."""
    global _seen_at
    _seen_at = -SEEN_S
