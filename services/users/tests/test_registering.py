"""POST /auth/register."""

import threading
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from services.users.models import RefreshFamily, User
from services.users.tests.browsing import PASSWORD

pytestmark = pytest.mark.django_db

ADA = {"email": "ada@example.com", "password": PASSWORD, "name": "Ada Lovelace"}


def test_registering_makes_an_account_and_signs_it_in(client: APIClient, atoll_bus: Any) -> None:
    answer = client.post("/auth/register", ADA)

    assert answer.status_code == 201
    body = answer.json()
    user = User.objects.get()
    assert set(body) == {"user", "accessToken", "refreshToken", "expiresIn"}
    assert body["expiresIn"] == 600
    assert body["user"] == {
        "id": str(user.id),
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "roles": [],
        "isActive": True,
        "createdAt": body["user"]["createdAt"],
        "updatedAt": body["user"]["updatedAt"],
    }
    assert user.id.version == 7
    assert user.password.startswith("argon2$argon2id$")
    assert answer["Cache-Control"] == "no-store"
    [event] = atoll_bus.published("user.created")
    assert {name: event["data"][name] for name in ("userId", "email", "name")} == {
        "userId": str(user.id),
        "email": "ada@example.com",
        "name": "Ada Lovelace",
    }


def test_an_address_can_register_once_in_any_case(client: APIClient, atoll_bus: Any) -> None:
    client.post("/auth/register", ADA)

    answer = client.post("/auth/register", ADA | {"email": "ADA@Example.COM"})

    assert answer.status_code == 409
    assert answer.json()["code"] == "email_taken"
    assert User.objects.count() == 1
    assert len(atoll_bus.published("user.created")) == 1


@pytest.mark.django_db(transaction=True)
def test_of_registrations_of_one_address_at_the_same_moment_one_succeeds(atoll_bus: Any) -> None:
    together = threading.Barrier(6)
    statuses: list[int] = []

    def register() -> None:
        together.wait()
        try:
            statuses.append(APIClient().post("/auth/register", ADA).status_code)
        finally:
            connection.close()

    racers = [threading.Thread(target=register) for _ in range(6)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()

    assert sorted(statuses) == [201, 409, 409, 409, 409, 409]
    assert User.objects.count() == 1
    assert len(atoll_bus.published("user.created")) == 1


def test_a_repeated_request_under_one_key_makes_one_account_and_fresh_tokens(
    client: APIClient, atoll_bus: Any
) -> None:
    first = client.post("/auth/register", ADA, HTTP_IDEMPOTENCY_KEY="sign-up-1")
    again = client.post("/auth/register", ADA, HTTP_IDEMPOTENCY_KEY="sign-up-1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotency-Replayed"] == "true"
    assert again.json()["user"] == first.json()["user"]
    assert again.json()["refreshToken"] != first.json()["refreshToken"]
    assert User.objects.count() == 1
    assert len(atoll_bus.published("user.created")) == 1


def test_no_token_and_no_password_is_kept_with_the_answer_of_a_key(client: APIClient) -> None:
    body = client.post("/auth/register", ADA, HTTP_IDEMPOTENCY_KEY="sign-up-1").json()

    from atoll.api.models import IdempotencyRecord

    [record] = IdempotencyRecord.objects.all()
    stored = bytes(record.body).decode()
    assert body["user"]["id"] in stored
    assert not any(secret in stored for secret in (PASSWORD, body["accessToken"], body["refreshToken"]))


def test_a_repetition_with_a_password_that_was_changed_since_gets_no_tokens(client: APIClient) -> None:
    client.post("/auth/register", ADA, HTTP_IDEMPOTENCY_KEY="sign-up-1")
    user = User.objects.get()
    user.set_password("an entirely new password")
    user.save()

    answer = client.post("/auth/register", ADA, HTTP_IDEMPOTENCY_KEY="sign-up-1")

    assert answer.status_code == 401
    assert RefreshFamily.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(client: APIClient) -> None:
    client.post("/auth/register", ADA, HTTP_IDEMPOTENCY_KEY="sign-up-1")

    answer = client.post(
        "/auth/register", ADA | {"email": "bob@example.com"}, HTTP_IDEMPOTENCY_KEY="sign-up-1"
    )

    assert answer.status_code == 422
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    "extra",
    [
        {"roles": ["admin"]},
        {"isStaff": True},
        {"isSuperuser": True},
        {"id": "0190b5a4-0000-7000-8000-000000000000"},
        {"isActive": True},
        {"createdAt": "2020-01-01T00:00:00Z"},
        {"deletedAt": None},
    ],
)
def test_a_field_that_is_not_the_callers_to_set_is_refused(client: APIClient, extra: dict[str, Any]) -> None:
    answer = client.post("/auth/register", ADA | extra)

    assert answer.status_code == 400
    assert list(answer.json()["details"]) == list(extra)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no address"),
        ("email", ""),
        ("email", None),
        ("email", 7),
        ("email", ["ada@example.com"]),
        ("email", "a" * 250 + "@example.com"),
        ("email", "adа@example.com"),
        ("email", "ada@exämple.com"),
        ("name", ""),
        ("name", "   "),
        ("name", 7),
        ("name", "a" * 201),
        ("name", "Ada\r\nBcc: everyone"),
        ("name", "\u200b"),
        ("name", "\ufeff \u2060"),
        ("name", "\u3164\u115f"),
        ("name", "\u034f\ufe0f"),
        ("name", "\u202eadA"),
        ("name", "Ada\u2066"),
        ("name", "Ada\x9b31m"),
        ("password", "short"),
        ("password", "password1234"),
        ("password", "73911853020948"),
        ("password", "ada@example.com"),
        ("password", 12345678901234),
        ("password", "x" * 257),
    ],
)
def test_bad_input_is_refused_and_makes_no_account(client: APIClient, field: str, value: Any) -> None:
    answer = client.post("/auth/register", ADA | {field: value})

    assert answer.status_code == 400
    assert field in answer.json()["details"]
    assert set(answer.json()) == {"error", "message", "code", "correlationId", "details"}
    assert not User.objects.exists()
    assert not RefreshFamily.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"email": NaN}',
        b'{"email": "a@example.com", "email": "b@example.com"}',
        b'{"email": "\\ud800"}',
        b'{"email": "a\\u0000@example.com"}',
        b"\xff\xfe",
        b"[" * 20_000,
    ],
)
def test_malformed_json_is_refused_in_the_error_shape(client: APIClient, raw: bytes) -> None:
    answer = client.generic("POST", "/auth/register", raw, content_type="application/json")

    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "message", "code", "correlationId", "details"}
    assert not User.objects.exists()


def test_a_body_that_is_too_large_is_refused(client: APIClient) -> None:
    answer = client.post("/auth/register", ADA | {"name": "a" * 1_100_000})

    assert answer.status_code == 413
    assert not User.objects.exists()
