"""Which requests count as one source of attempts."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from services.users.api.limits import CHANGE_PASSWORD
from services.users.models import User
from services.users.tests.browsing import PASSWORD
from services.users.tests.guessing import OWNER, STRANGER, attempt, fill_the_accounts_limit, guess

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("window")]


@pytest.mark.parametrize("forwarded", [True, False])
def test_all_addresses_of_a_64_are_one_source(make_user: Callable[..., User], forwarded: bool) -> None:
    make_user("ada@example.com")

    def via(address: str) -> dict[str, str]:
        there = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": address}
        return there if forwarded else {"REMOTE_ADDR": address}

    statuses = [
        attempt("ada@example.com", "wrong", **via(f"2001:db8:1:2:{host:x}::{host:x}")).status_code
        for host in range(1, 13)
    ]

    assert statuses == [401] * 10 + [429] * 2
    assert attempt("ada@example.com", PASSWORD, **via("2001:db8:1:3::1")).status_code == 200


def test_one_64_is_one_address_whatever_the_account() -> None:
    statuses = [
        APIClient()
        .post("/auth/logout", {"refreshToken": "x"}, REMOTE_ADDR=f"2001:db8:1:2::{host:x}")
        .status_code
        for host in range(1, 122)
    ]

    assert statuses == [204] * 120 + [429]


def test_an_ipv4_address_is_one_source_however_it_is_written() -> None:
    guess("ada@example.com", 5)
    guess("ada@example.com", 5, f"::ffff:{STRANGER}")

    assert guess("ada@example.com", 1) == guess("ada@example.com", 1, f"::FFFF:{STRANGER}") == [429]


def test_while_many_sources_guess_a_new_one_waits_and_the_owners_gets_in(
    make_user: Callable[..., User], window: Any
) -> None:
    make_user("ada@example.com")
    assert attempt("ada@example.com", PASSWORD, REMOTE_ADDR=OWNER).status_code == 200

    fill_the_accounts_limit("ada@example.com")

    new = attempt("ada@example.com", PASSWORD, REMOTE_ADDR=STRANGER)
    assert (new.status_code, new["RateLimit-Policy"]) == (429, "150;w=3600")
    assert attempt("ADA@example.com ", PASSWORD, REMOTE_ADDR=OWNER).status_code == 200
    window.shift(int(new["Retry-After"]) + 1)
    assert attempt("ada@example.com", PASSWORD, REMOTE_ADDR=STRANGER).status_code == 200


def test_the_owners_source_is_limited_too_and_uses_up_nothing_of_the_others(
    make_user: Callable[..., User], window: Any
) -> None:
    make_user("ada@example.com")
    attempt("ada@example.com", PASSWORD, REMOTE_ADDR=OWNER)

    assert guess("ada@example.com", 11, OWNER) == [401] * 10 + [429]

    fill_the_accounts_limit("ada@example.com")


def test_who_registers_has_signed_in_from_there() -> None:
    body = {"email": "ada@example.com", "password": PASSWORD, "name": "Ada"}
    assert APIClient().post("/auth/register", body, REMOTE_ADDR=OWNER).status_code == 201

    fill_the_accounts_limit("ada@example.com")

    assert attempt("ada@example.com", PASSWORD, REMOTE_ADDR=OWNER).status_code == 200
    assert attempt("ada@example.com", PASSWORD, REMOTE_ADDR=STRANGER).status_code == 429


def test_a_password_can_be_changed_where_one_signed_in_whatever_a_thief_guesses(
    make_user: Callable[..., User], atoll_as_user: Callable[..., APIClient]
) -> None:
    user = make_user("ada@example.com")
    attempt("ada@example.com", PASSWORD, REMOTE_ADDR=OWNER)
    fill_the_accounts_limit(str(user.id), CHANGE_PASSWORD)
    change = {"password": "a new long password", "currentPassword": PASSWORD}

    def patch(address: str) -> int:
        return atoll_as_user(user.id).patch(f"/users/{user.id}", change, REMOTE_ADDR=address).status_code

    assert (patch(STRANGER), patch(OWNER)) == (429, 200)


def test_behind_the_gateway_the_client_is_counted_and_not_the_gateway() -> None:
    def refresh(client_address: str) -> int:
        return (
            APIClient()
            .post(
                "/auth/refresh",
                {"refreshToken": "x"},
                REMOTE_ADDR="127.0.0.1",
                HTTP_X_FORWARDED_FOR=f"192.0.2.1, {client_address}",
            )
            .status_code
        )

    assert [refresh("203.0.113.9") for _ in range(121)] == [403] * 120 + [429]
    assert refresh("203.0.113.10") == 403


def test_a_stranger_who_claims_other_addresses_is_still_one() -> None:
    statuses = [
        APIClient()
        .post(
            "/auth/refresh",
            {"refreshToken": "x"},
            REMOTE_ADDR="203.0.113.9",
            HTTP_X_FORWARDED_FOR=f"192.0.2.{number}",
        )
        .status_code
        for number in range(121)
    ]

    assert statuses == [403] * 120 + [429]
