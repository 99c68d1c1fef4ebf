"""Requests for a password reset with bad input."""

from typing import Any

import pytest
from django.core import mail

from services.users.models import PasswordReset, User
from services.users.tests.resetting import ADA, NEW, Make, ask, confirm, post

pytestmark = pytest.mark.django_db


SHAPE = {"error", "message", "code", "correlationId", "details"}


NO_TEXT = [None, 1, True, [], {}, [ADA], "", " "]


NO_ADDRESS = [
    *NO_TEXT,
    "ada",
    "ada@",
    "a\x00da@example.com",
    "ada@example.com\nBcc: x@example.com",
    "ádá@example.com",
    "a" * 250 + "@example.com",
    "ada@example.com, x@example.com",
    "\ud800@example.com",
]


NO_TOKEN = [*NO_TEXT, "x", "x" * 43, "x" * 201, "\x00", "\ud800", "ü" * 43, "' OR 1=1 --"]


NO_PASSWORD = [None, 1, True, [], {}, [NEW], "", "x" * 257, "\x00" * 12, "\ud800" * 12]


def test_what_is_no_address_is_refused(make_user: Make, atoll_bus: Any) -> None:
    make_user(ADA)

    answers = [ask(email) for email in NO_ADDRESS]
    atoll_bus.settle()

    assert [answer.status_code for answer in answers] == [400] * len(NO_ADDRESS)
    assert all(set(answer.json()) == SHAPE for answer in answers)
    assert not PasswordReset.objects.exists()
    assert mail.outbox == []


@pytest.mark.parametrize(("wrong", "field"), [(NO_TOKEN, "token"), (NO_PASSWORD, "password")])
def test_what_is_no_token_or_no_password_is_refused(wrong: list[Any], field: str, reset_token: str) -> None:
    before = User.objects.get(email=ADA).password

    answers = [confirm(**{"token": reset_token, field: value}) for value in wrong]

    assert [answer.status_code for answer in answers] == [400] * len(wrong)
    assert all(set(answer.json()) == SHAPE for answer in answers)
    assert User.objects.get(email=ADA).password == before
    assert confirm(reset_token).status_code == 204


@pytest.mark.parametrize("extra", [{"roles": ["admin"]}, {"userId": "x"}, {"page": "https://evil.example"}])
def test_fields_that_do_not_belong_are_refused(extra: dict[str, Any], make_user: Make) -> None:
    make_user(ADA)

    answer = post("/auth/password-reset", {"email": ADA, **extra})

    assert answer.status_code == 400
    assert not PasswordReset.objects.exists()


def test_answers_are_not_cached(reset_token: str) -> None:
    assert ask()["Cache-Control"] == "no-store"
    assert confirm("x")["Cache-Control"] == "no-store"
