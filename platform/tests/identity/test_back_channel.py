"""The issuer ends sessions of this admin (OpenID Connect Back-Channel Logout 1.0)."""

import time
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from atoll.identity import copies
from atoll.identity.models import AdminSignIn
from atoll.ids import uuid7
from atoll.testing import tokens

from .sign_in import UsersService, enter

pytestmark = pytest.mark.django_db

EVENTS = {"http://schemas.openid.net/event/backchannel-logout": {}}


def logout_token(users: UsersService, key: Any = None, **changes: Any) -> str:
    claims = {
        "iss": "http://testserver",
        "aud": "library-service",
        "iat": int(time.time()),
        "jti": str(uuid7()),
        "sub": users.id,
        "sid": users.sid,
        "events": EVENTS,
    } | changes
    return tokens.sign({name: value for name, value in claims.items() if value is not None}, key=key)


def post(token: str) -> Any:
    """As a program does: no cookie, no CSRF token."""
    return Client(enforce_csrf_checks=True).post("/admin/oidc/back-channel-logout", {"logout_token": token})


def is_in(browser: Client) -> bool:
    return bool(browser.get("/admin/").status_code == 200)


@pytest.mark.parametrize("left_out", [{}, {"sub": None}], ids=["sub and sid", "sid alone"])
def test_one_sign_in_ends_and_another_of_the_same_person_goes_on(
    users: UsersService, left_out: dict[str, None]
) -> None:
    ended, _answer = enter(users)
    token = logout_token(users, **left_out)
    users.sid = str(uuid7())
    other, _answer = enter(users)

    answer = post(token)

    assert (answer.status_code, answer["Cache-Control"]) == (200, answer["Cache-Control"])
    assert "no-store" in answer["Cache-Control"]
    assert not is_in(ended)
    assert is_in(other)
    assert AdminSignIn.objects.count() == 1


def test_all_sessions_of_a_person_end_without_a_sid(users: UsersService) -> None:
    browsers = [enter(users)[0], enter(users)[0]]

    assert post(logout_token(users, sid=None)).status_code == 200

    assert not any(is_in(browser) for browser in browsers)


def test_a_repeated_and_an_unknown_logout_are_fine(users: UsersService) -> None:
    browser, _answer = enter(users)
    assert post(logout_token(users, sub=str(uuid7()), sid=str(uuid7()))).status_code == 200
    assert is_in(browser)
    for _ in range(2):
        assert post(logout_token(users)).status_code == 200
    assert not is_in(browser)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "order-service"},
        {"events": None},
        {"events": {}},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": "x"}},
        {"nonce": "n"},
        {"sub": None, "sid": None},
        {"iat": None},
        {"exp": int(time.time()) - 60},
        {"sid": ["a"]},
    ],
    ids=str,
)
def test_a_bad_logout_token_ends_nothing(users: UsersService, changes: dict[str, Any]) -> None:
    browser, _answer = enter(users)

    answer = post(logout_token(users, **changes))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert is_in(browser)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 9000])
def test_no_token_at_all_is_a_bad_request(users: UsersService, token: str) -> None:
    assert post(token).json()["error"] == "invalid_request"


def test_a_forged_token_and_an_id_token_end_nothing(users: UsersService) -> None:
    browser, _answer = enter(users)
    stranger = generate_private_key(public_exponent=65537, key_size=2048)
    assert post(logout_token(users, key=stranger)).status_code == 400
    assert post(users.id_token()).status_code == 400
    assert is_in(browser)


def test_signing_out_here_ends_the_session_and_leads_to_the_issuer(users: UsersService) -> None:
    browser, _answer = enter(users)

    answer = browser.post("/admin/logout/")

    assert answer["Location"].startswith("http://testserver/admin/oidc/logout?id_token_hint=")
    assert not is_in(browser)
    assert not AdminSignIn.objects.exists()


def test_signing_out_while_users_is_away_says_what_is_left(
    users: UsersService, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, _answer = enter(users)
    from atoll.identity.oidc import own_issuer

    own_issuer.forget()
    monkeypatch.setenv("USER_SERVICE_URL", "http://127.0.0.1:9158")

    answer = browser.post("/admin/logout/")

    assert answer.status_code == 503
    assert "signed out of this admin alone" in answer.content.decode()
    assert not is_in(browser)


def test_a_deleted_account_leaves_no_session(users: UsersService) -> None:
    """The session holds the ID token, with email and name."""
    browser, _answer = enter(users)
    copies.forget(users.id)
    assert not Session.objects.exists()
    assert not AdminSignIn.objects.exists()
    assert not is_in(browser)


def test_a_sign_in_deletes_what_expired(users: UsersService) -> None:
    enter(users)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    AdminSignIn.objects.update(created_at=timezone.now() - timedelta(days=15))
    enter(users)
    assert (Session.objects.count(), AdminSignIn.objects.count()) == (1, 1)
