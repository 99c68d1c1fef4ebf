"""POST /auth/token: sign-in, and the silence about accounts towards strangers."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
from rest_framework.test import APIClient

from atoll import identity
from services.users.models import RefreshFamily, User
from services.users.tests.browsing import PASSWORD
from services.users.usecases.delete_user import delete_user
from services.users.usecases.update_user import Changes, update_user

pytestmark = pytest.mark.django_db


def sign_in(client: APIClient, email: str, password: str = PASSWORD, **headers: str) -> Any:
    return client.post("/auth/token", {"email": email, "password": password}, **headers)


def test_the_tokens_say_who_signed_in(client: APIClient, make_user: Callable[..., User]) -> None:
    user = make_user("ada@example.com", roles=("support",))

    body = sign_in(client, "ada@example.com").json()

    principal = identity.verify(body["accessToken"])
    assert (principal.id, principal.kind, principal.roles) == (str(user.id), "user", frozenset({"support"}))
    assert (principal.email, principal.name) == ("ada@example.com", "Ada Lovelace")
    assert body["user"]["id"] == str(user.id)
    assert body["expiresIn"] == 600


def test_the_address_is_taken_in_any_case(client: APIClient, make_user: Callable[..., User]) -> None:
    make_user("ada@example.com")

    assert sign_in(client, " ADA@Example.com ").status_code == 200


def test_a_refresh_token_opens_nothing(
    make_user: Callable[..., User], signed_in: Callable[..., Any], bearer: Callable[[str], APIClient]
) -> None:
    user = make_user()
    refresh = signed_in(user)["refreshToken"]

    with pytest.raises(identity.InvalidToken):
        identity.verify(refresh)
    assert bearer(refresh).get(f"/users/{user.id}").status_code == 403


@pytest.fixture
def refused(client: APIClient, make_user: Callable[..., User]) -> dict[str, Any]:
    """One refused sign-in for each reason there is."""
    make_user("present@example.com")
    update_user(make_user("inactive@example.com").id, Changes(is_active=False))
    delete_user(make_user("deleted@example.com").id)
    return {
        "missing": sign_in(client, "missing@example.com"),
        "wrong password": sign_in(client, "present@example.com", "wrong"),
        "inactive": sign_in(client, "inactive@example.com"),
        "deleted": sign_in(client, "deleted@example.com"),
        "no address": sign_in(client, "no address"),
    }


def test_every_refusal_looks_the_same(refused: dict[str, Any]) -> None:
    bodies = [{k: v for k, v in answer.json().items() if k != "correlationId"} for answer in refused.values()]

    assert {answer.status_code for answer in refused.values()} == {401}
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["error"] == "Invalid email or password"
    assert len({len(answer.content) for answer in refused.values()}) == 1
    assert not RefreshFamily.objects.exists()


def test_a_missing_account_costs_as_much_work_as_a_wrong_password(
    client: APIClient, make_user: Callable[..., User], settings: Any
) -> None:
    settings.RATELIMIT_ENABLE = False
    make_user("present@example.com")

    def cost(email: str) -> float:
        started = time.thread_time()
        sign_in(client, email, "wrong password")
        return time.thread_time() - started

    present, missing = [], []
    for _ in range(7):
        present.append(cost("present@example.com"))
        missing.append(cost("missing@example.com"))

    assert median(missing) == pytest.approx(median(present), rel=0.5)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "ada@example.com"},
        {"password": PASSWORD},
        {"email": ["ada@example.com"], "password": PASSWORD},
        {"email": {"$ne": ""}, "password": {"$ne": ""}},
        {"email": "ada@example.com", "password": True},
        {"email": "ada@example.com", "password": PASSWORD, "roles": ["admin"]},
    ],
)
def test_a_malformed_sign_in_is_400(client: APIClient, body: dict[str, Any]) -> None:
    answer = client.post("/auth/token", body)

    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid_input"


def test_a_bad_bearer_token_does_not_keep_anyone_from_signing_in(
    client: APIClient, make_user: Callable[..., User]
) -> None:
    make_user("ada@example.com")

    assert sign_in(client, "ada@example.com", HTTP_AUTHORIZATION="Bearer expired.or.bad").status_code == 200


def test_families_that_have_run_out_are_forgotten_at_the_next_sign_in(
    client: APIClient, make_user: Callable[..., User]
) -> None:
    user = make_user("ada@example.com")
    sign_in(client, user.email)
    RefreshFamily.objects.update(expires_at="2020-01-01T00:00:00Z")

    sign_in(client, user.email)

    assert RefreshFamily.objects.count() == 1
