"""Tokens that open nothing, shown at this service's own door."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from atoll.identity import verification
from atoll.ids import uuid7
from atoll.testing import tokens
from atoll.testing.identity_provider import AUDIENCE, IdentityProvider
from atoll.testing.tokens import client_with
from services.users import keys
from services.users.models import User
from services.users.tests.browsing import PASSWORD
from services.users.usecases.issue_credential import issue_credential

pytestmark = pytest.mark.django_db


def signed(user: User, *, key: Any = None, kid: str | None = None, **changes: Any) -> str:
    """A token signed by the service's own current key, right but for the changes."""
    current, private = keys.signing_key()
    body = {**tokens.claims(user.id, roles=["admin"]), **changes}
    return tokens.sign(body, key=key or private, headers={"kid": kid or current})


BAD: dict[str, Callable[[User], str]] = {
    "of another issuer": lambda user: signed(user, iss="https://elsewhere.example"),
    "for another audience": lambda user: signed(user, aud="elsewhere"),
    "expired": lambda user: signed(user, exp=int(time.time()) - 60),
    "from the future": lambda user: signed(user, iat=int(time.time()) + 120),
    "for refreshing": lambda user: signed(user, token_use="refresh"),
    "of a user that is none": lambda user: signed(user, sub="admin"),
    "signed by another key": lambda user: signed(user, key=tokens.private_key()),
    "naming a key that is none": lambda user: signed(user, kid="no-such-key"),
    "cut short": lambda user: signed(user)[:-20],
    "no token at all": lambda user: "null",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("method", ["get", "patch", "delete"])
def test_a_bad_token_is_403_and_changes_nothing(
    bad: Callable[[User], str],
    method: str,
    make_user: Callable[..., User],
    bearer: Callable[[str], APIClient],
) -> None:
    user = make_user()

    answer = getattr(bearer(bad(user)), method)(f"/users/{user.id}", {"name": "Changed"})

    assert answer.status_code == 403
    assert answer.json()["error"] == "Invalid or expired token"
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]
    user.refresh_from_db()
    assert (user.name, user.is_active) == ("Ada Lovelace", True)


def test_the_same_token_without_the_fault_is_accepted(
    make_user: Callable[..., User], bearer: Callable[[str], APIClient]
) -> None:
    user = make_user()

    assert bearer(signed(user)).get(f"/users/{user.id}").status_code == 200


def test_a_services_token_is_no_users_token(client: APIClient, bearer: Callable[[str], APIClient]) -> None:
    secret = issue_credential("order-service")
    granted = client.post("/auth/service-token", {"clientId": "order-service", "clientSecret": secret})

    answer = bearer(granted.json()["accessToken"]).get("/users")

    assert answer.status_code == 403
    assert answer.json()["code"] == "not_allowed"


def test_the_token_of_a_deleted_account_is_refused(
    make_user: Callable[..., User], bearer: Callable[[str], APIClient]
) -> None:
    user = make_user()
    token = signed(user, roles=[])
    gone = bearer(token).delete(f"/users/{user.id}", {"currentPassword": PASSWORD})
    assert gone.status_code == 204

    for path in ("/users/me", f"/users/{uuid7()}"):
        answer = bearer(token).get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "invalid_token")


def test_a_token_of_another_issuer_opens_nothing_here_though_its_id_is_that_of_an_account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    provider = IdentityProvider()
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    monkeypatch.setenv("ISSUER_URL", provider.issuer)
    monkeypatch.setenv("ISSUER_AUDIENCE", AUDIENCE)
    verification.forget_keys()
    try:
        told = client_with(provider.token(sub=str(uuid7()))).get("/users/me")
    finally:
        verification.forget_keys()
        provider.close()

    assert (told.status_code, told.json()["code"]) == (403, "invalid_token")
