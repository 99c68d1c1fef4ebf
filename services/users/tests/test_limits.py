"""How often credentials may be tried."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from services.users.models import ServiceCredential, User
from services.users.tests.browsing import PASSWORD, enter
from services.users.tests.guessing import OWNER, STRANGER, attempt, fill_the_accounts_limit, guess
from services.users.usecases.issue_credential import issue_credential

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("window")]


def test_ten_wrong_passwords_lock_out_the_source_that_guesses_and_nobody_else(
    make_user: Callable[..., User],
) -> None:
    make_user("ada@example.com")

    assert guess("ada@example.com", 12) == [401] * 10 + [429] * 2

    assert attempt("ada@example.com", PASSWORD, REMOTE_ADDR=STRANGER).status_code == 429
    assert attempt("ada@example.com", PASSWORD, REMOTE_ADDR=OWNER).status_code == 200


def test_a_source_that_is_locked_out_of_one_account_reaches_another(make_user: Callable[..., User]) -> None:
    make_user("ada@example.com")
    guess("grace@example.com", 11)

    assert attempt("ada@example.com", PASSWORD, REMOTE_ADDR=STRANGER).status_code == 200


def test_an_account_that_does_not_exist_is_limited_alike_over_all_sources() -> None:
    fill_the_accounts_limit("nobody@example.com")

    assert guess("nobody@example.com", 1) == [429]


def test_every_admin_and_the_api_count_together(make_user: Callable[..., User]) -> None:
    make_user("staff@example.com", roles=("support",))
    guess("staff@example.com", 10)

    refused = enter("staff@example.com", REMOTE_ADDR=STRANGER)[1]
    assert (refused.status_code, int(refused["Retry-After"]) > 0) == (429, True)
    assert "Too many attempts. Try again in" in refused.content.decode()
    assert enter("staff@example.com", REMOTE_ADDR=OWNER)[1].status_code == 302

    fill_the_accounts_limit("staff@example.com", left=140)
    assert enter("staff@example.com", REMOTE_ADDR="198.51.100.8")[1].status_code == 429
    assert enter("staff@example.com", REMOTE_ADDR=OWNER)[1].status_code == 302
    assert attempt("staff@example.com", PASSWORD, REMOTE_ADDR=OWNER).status_code == 200


def test_while_locked_the_right_password_gets_the_same_answer(make_user: Callable[..., User]) -> None:
    make_user("ada@example.com")
    for _ in range(10):
        attempt("ada@example.com", "wrong")

    wrong, right = attempt("ADA@example.com", "wrong"), attempt("ada@example.com", PASSWORD)

    assert wrong.status_code == right.status_code == 429
    assert wrong.json() | {"correlationId": ""} == right.json() | {"correlationId": ""}


def test_the_refusal_says_when_to_come_back(make_user: Callable[..., User], window: Any) -> None:
    make_user("ada@example.com")
    for _ in range(10):
        attempt("ada@example.com", "wrong")

    answer = attempt("ada@example.com", PASSWORD)

    wait_s = int(answer["Retry-After"])
    assert answer.json()["error"] == "Too many requests from this IP"
    assert answer.json()["code"] == "too_many_requests"
    assert answer["RateLimit-Policy"] == "10;w=300"
    assert answer["RateLimit"] == f"limit=10, remaining=0, reset={wait_s}"
    assert 1 <= wait_s <= 300
    window.shift(wait_s + 1)
    assert attempt("ada@example.com", PASSWORD).status_code == 200


def test_right_passwords_lock_nobody_out(make_user: Callable[..., User]) -> None:
    make_user("ada@example.com")

    assert [attempt("ada@example.com", PASSWORD).status_code for _ in range(15)] == [200] * 15


def test_an_account_that_does_not_exist_is_locked_alike() -> None:
    statuses = [attempt("nobody@example.com", "wrong").status_code for _ in range(11)]

    assert statuses == [401] * 10 + [429]


def test_one_address_is_limited_whatever_the_credential() -> None:
    statuses = [
        APIClient().post("/auth/logout", {"refreshToken": "x"}, REMOTE_ADDR="203.0.113.9").status_code
        for _ in range(121)
    ]

    assert statuses == [204] * 120 + [429]
    other = APIClient().post("/auth/logout", {"refreshToken": "x"}, REMOTE_ADDR="203.0.113.10")
    assert other.status_code == 204


def test_registering_is_limited_and_makes_nothing_beyond() -> None:
    body = {"email": "not an address", "password": PASSWORD, "name": "Ada"}
    for number in range(60):
        body["email"] = f"customer{number}@example.com"
        body["password"] = "short"
        assert APIClient().post("/auth/register", body).status_code == 400

    body["password"] = PASSWORD
    answer = APIClient().post("/auth/register", body)

    assert answer.status_code == 429
    assert not User.objects.exists()


def test_a_service_is_locked_only_for_the_address_that_guesses() -> None:
    secret = issue_credential("order-service")

    def ask(given: str, address: str) -> int:
        return (
            APIClient()
            .post(
                "/auth/service-token",
                {"clientId": "order-service", "clientSecret": given},
                REMOTE_ADDR=address,
            )
            .status_code
        )

    assert [ask("guess", "203.0.113.9") for _ in range(21)] == [401] * 20 + [429]
    assert ask(secret, "203.0.113.9") == 429
    assert ask(secret, "203.0.113.10") == 200
    assert [ask("guess", f"2001:db8::{host:x}") for host in range(1, 22)] == [401] * 20 + [429]
    assert ask(secret, "2001:db8:0:1::1") == 200
    assert ServiceCredential.objects.count() == 1


def test_the_present_password_cannot_be_guessed_with_a_stolen_token(
    make_user: Callable[..., User], atoll_as_user: Callable[..., APIClient]
) -> None:
    user = make_user()
    thief = atoll_as_user(user.id)

    change = {"password": "a new long password", "currentPassword": "guess"}
    statuses = [thief.patch(f"/users/{user.id}", change).status_code for _ in range(11)]

    assert statuses == [403] * 10 + [429]
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    mine = change | {"currentPassword": PASSWORD}
    assert atoll_as_user(user.id).patch(f"/users/{user.id}", mine, REMOTE_ADDR=OWNER).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_attempts_at_the_same_moment_are_all_counted() -> None:
    together = threading.Barrier(8)
    statuses: list[int] = []

    def guess_at_once() -> None:
        together.wait()
        try:
            for _ in range(4):
                statuses.append(attempt("nobody@example.com", "wrong").status_code)
        finally:
            connection.close()

    guessers = [threading.Thread(target=guess_at_once) for _ in range(8)]
    for guesser in guessers:
        guesser.start()
    for guesser in guessers:
        guesser.join()

    assert set(statuses) == {401, 429}
    assert 10 <= statuses.count(401) <= 17
    assert attempt("nobody@example.com", "wrong").status_code == 429


def test_when_the_counters_are_away_signing_in_still_works(
    make_user: Callable[..., User], settings: Any
) -> None:
    make_user("ada@example.com")
    settings.CACHES = {
        "default": {
            "BACKEND": "atoll.redis_cache.RedisCache",
            "LOCATION": "redis://127.0.0.1:9159/0",
        }
    }

    assert attempt("ada@example.com", PASSWORD).status_code == 200
    assert guess("ada@example.com", 11) == [401] * 11
    assert enter("ada@example.com")[1].status_code == 200
