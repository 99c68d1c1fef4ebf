"""The signing keys: published, rotated, kept secret."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from atoll import identity
from atoll.identity import verification
from atoll.identity.jwks import read_key_set
from services.users import keys
from services.users.models import SigningKey, User
from services.users.usecases.rotate_signing_key import TooSoon, rotate_signing_key

pytestmark = pytest.mark.django_db


def published() -> list[str]:
    return [row["kid"] for row in APIClient().get("/.well-known/jwks.json").json()["keys"]]


def test_the_current_and_the_next_key_are_published_for_five_minutes_of_caching() -> None:
    answer = APIClient().get("/.well-known/jwks.json")

    assert answer.status_code == 200
    assert answer["Cache-Control"] == "public, max-age=300"
    rows = answer.json()["keys"]
    assert len(read_key_set(answer.json())) == 2
    assert all(set(row) == {"kty", "n", "e", "alg", "use", "kid"} for row in rows)
    assert {key.status for key in SigningKey.objects.all()} == {"current", "next"}


def test_the_key_set_is_given_to_anyone_even_with_a_bad_token() -> None:
    answer = APIClient().get("/.well-known/jwks.json", HTTP_AUTHORIZATION="Bearer bad")

    assert answer.status_code == 200


def test_every_token_names_the_current_key(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    body = signed_in(make_user())
    current = SigningKey.objects.get(status="current").kid

    for name in ("accessToken", "refreshToken"):
        assert jwt.get_unverified_header(body[name]) == {"alg": "RS256", "kid": current, "typ": "JWT"}


def test_rotating_signs_nobody_out(
    make_user: Callable[..., User], signed_in: Callable[..., Any], bearer: Callable[[str], APIClient]
) -> None:
    user = make_user()
    before = signed_in(user)
    former = SigningKey.objects.get(status="current").kid
    coming = SigningKey.objects.get(status="next").kid

    assert rotate_signing_key().kid == coming

    after = signed_in(user)
    assert jwt.get_unverified_header(after["accessToken"])["kid"] == coming
    assert former in published()
    for token in (before["accessToken"], after["accessToken"]):
        assert bearer(token).get(f"/users/{user.id}").status_code == 200
    assert APIClient().post("/auth/refresh", {"refreshToken": before["refreshToken"]}).status_code == 200


def test_a_verifier_that_has_cached_the_set_before_knows_the_key_after(
    make_user: Callable[..., User], signed_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    user = make_user()
    identity.verify(signed_in(user)["accessToken"])
    rotate_signing_key()
    after = signed_in(user)["accessToken"]

    def unreachable() -> Any:
        raise AssertionError("the key set was fetched")

    monkeypatch.setattr(verification.key_source(), "_fetch", unreachable)
    assert identity.verify(after).id == str(user.id)


def test_a_key_nobody_can_know_yet_does_not_sign() -> None:
    with time_machine.travel("2026-11-23T10:00:00Z", tick=False) as clock:
        keys.ensure_keys()
        clock.shift(1)
        rotate_signing_key()
        clock.shift(74)
        in_use = set(SigningKey.objects.values_list("kid", "status"))

        with pytest.raises(TooSoon):
            rotate_signing_key()

        assert set(SigningKey.objects.values_list("kid", "status")) == in_use
        clock.shift(1)
        rotate_signing_key()
    assert SigningKey.objects.filter(status="retired").count() == 2


def test_a_retired_key_is_published_for_an_hour_and_kept_while_a_refresh_token_may_live(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    with time_machine.travel("2026-11-01T10:00:00Z", tick=False) as clock:
        user = make_user()
        signed_in(user)
        retired = SigningKey.objects.get(status="current").kid
        clock.shift(timedelta(days=1))
        young = signed_in(user)["refreshToken"]
        rotate_signing_key()
        clock.shift(timedelta(minutes=59))
        assert retired in published()
        clock.shift(timedelta(minutes=2))
        assert retired not in published()

        clock.shift(timedelta(days=13))
        assert APIClient().post("/auth/refresh", {"refreshToken": young}).status_code == 200
        rotate_signing_key()
        assert SigningKey.objects.filter(kid=retired).exists()
        clock.shift(timedelta(days=2))
        rotate_signing_key()
        assert not SigningKey.objects.filter(kid=retired).exists()


def test_tokens_of_a_key_that_is_no_longer_published_are_refused(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    token = signed_in(make_user())["accessToken"]
    rotate_signing_key()
    SigningKey.objects.filter(status="retired").update(retired_at=timezone.now() - timedelta(hours=2))
    verification.forget_keys()

    with pytest.raises(identity.InvalidToken):
        identity.verify(token)


def test_the_private_half_is_stored_encrypted_under_the_secret_key(
    settings: Any, make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    keys.ensure_keys()
    stored = bytes(SigningKey.objects.get(status="current").private_pem_encrypted)
    assert b"PRIVATE KEY" not in stored

    former = settings.SECRET_KEY
    settings.SECRET_KEY = "another secret key of good length, for this test only"
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FALLBACK"):
        keys.signing_key()
    settings.SECRET_KEY_FALLBACKS = [former]
    assert keys.signing_key()[0] == SigningKey.objects.get(status="current").kid


@pytest.mark.django_db(transaction=True)
def test_processes_that_start_together_make_one_pair(monkeypatch: pytest.MonkeyPatch, rsa_keys: Any) -> None:
    supply = iter(rsa_keys)
    lock = threading.Lock()

    def one_each(**_: Any) -> Any:
        with lock:
            return next(supply)

    monkeypatch.setattr(keys, "generate_private_key", one_each)
    together = threading.Barrier(4)
    seen: list[frozenset[str]] = []

    def start() -> None:
        together.wait()
        try:
            seen.append(frozenset(row["kid"] for row in keys.key_set()["keys"]))
        finally:
            connection.close()

    processes = [threading.Thread(target=start) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    assert len(seen) == 4
    assert len(set(seen)) == 1
    assert SigningKey.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_two_rotations_at_the_same_moment_one_is_too_soon() -> None:
    keys.ensure_keys()
    together = threading.Barrier(2)
    outcomes: list[str] = []

    def rotate() -> None:
        together.wait()
        try:
            outcomes.append(rotate_signing_key().status)
        except TooSoon:
            outcomes.append("too soon")
        finally:
            connection.close()

    rotations = [threading.Thread(target=rotate) for _ in range(2)]
    for rotation in rotations:
        rotation.start()
    for rotation in rotations:
        rotation.join()

    assert sorted(outcomes) == ["current", "too soon"]
    assert sorted(SigningKey.objects.values_list("status", flat=True)) == ["current", "next", "retired"]
