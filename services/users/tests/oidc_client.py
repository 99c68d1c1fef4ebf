"""A client of the issuer, as the admin of orders is."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from django.test import Client

from services.users.keys import public_key

ISSUER = "http://testserver"
CLIENT, SECRET = "order-service", "the secret of the orders service, long enough"
CALLBACK = f"{ISSUER}/admin/oidc/callback"
SIGNED_OUT = f"{ISSUER}/admin/oidc/signed-out"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REQUEST = {
    "response_type": "code",
    "client_id": CLIENT,
    "redirect_uri": CALLBACK,
    "scope": "openid email profile",
    "state": "state-1",
    "nonce": "nonce-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def authorize(browser: Client, **changes: str | None) -> Any:
    """The answer of the authorization endpoint; None leaves a parameter out."""
    asked = {name: value for name, value in {**REQUEST, **changes}.items() if value is not None}
    return browser.get(f"/admin/oidc/authorize?{urlencode(asked)}")


def told(answer: Any) -> dict[str, str]:
    """The parameters of a redirect to the client."""
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith(f"{CALLBACK}?"), answer["Location"]
    return {name: values[0] for name, values in parse_qs(urlsplit(answer["Location"]).query).items()}


def code_of(browser: Client) -> str:
    return told(authorize(browser))["code"]


def exchange(code: str, credential: str = f"{CLIENT}:{SECRET}", /, **changes: str | None) -> Any:
    """The answer of the token endpoint."""
    sent = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    } | changes
    headers = (
        {"Authorization": f"Basic {base64.b64encode(credential.encode()).decode()}"} if credential else {}
    )
    return Client().post(
        "/auth/oidc/token",
        urlencode({name: value for name, value in sent.items() if value is not None}),
        content_type="application/x-www-form-urlencoded",
        headers=headers,
    )


def id_token(browser: Client) -> str:
    answer = exchange(code_of(browser))
    assert answer.status_code == 200, answer.content
    return str(answer.json()["id_token"])


def claims_of(token: str) -> Mapping[str, Any]:
    key = public_key(jwt.get_unverified_header(token)["kid"])
    assert key is not None
    return dict(jwt.decode(token, key, algorithms=["RS256"], audience=CLIENT, issuer=ISSUER))
