"""Signing in to the admin of a project that is not users: its accounts are asked for over HTTP."""

from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import cache

from atoll.testing import tokens

from .sign_in import UsersService, enter

pytestmark = pytest.mark.django_db

REFUSED = "Please enter the email and password of a staff account."


def test_staff_sign_in_with_their_users_account(users: UsersService) -> None:
    browser, answer = enter()

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200
    mirror = User.objects.get()
    assert (mirror.username, mirror.email, mirror.first_name) == (users.id, "stan@example.com", "Stan Staff")
    assert (mirror.is_staff, mirror.is_superuser) == (True, False)
    assert not mirror.has_usable_password()


def test_roles_and_names_are_brought_up_to_date_at_each_sign_in(users: UsersService) -> None:
    enter()
    users.roles, users.name, users.email = ("admin",), "Stan Admin", "stan.admin@example.com"

    enter("stan.admin@example.com")

    mirror = User.objects.get()
    assert (mirror.username, mirror.email, mirror.first_name) == (users.id, users.email, "Stan Admin")
    assert mirror.is_superuser
    users.roles = ("support",)
    enter("stan.admin@example.com")
    assert not User.objects.get().is_superuser


def test_customers_are_refused_and_leave_no_row(users: UsersService) -> None:
    users.roles = ()

    browser, answer = enter()

    assert REFUSED in answer.content.decode()
    assert browser.get("/admin/").status_code == 302
    assert not User.objects.exists()


def test_wrong_credentials_are_refused(users: UsersService) -> None:
    assert REFUSED in enter(password="wrong")[1].content.decode()
    assert REFUSED in enter("other@example.com")[1].content.decode()
    assert not User.objects.exists()


def test_an_answer_with_a_token_that_does_not_verify_lets_nobody_in(users: UsersService) -> None:
    users.token = "ey.forged.token"

    browser, answer = enter()

    assert "Sign-in is not possible right now" in answer.content.decode()
    assert browser.get("/admin/").status_code == 302
    assert not User.objects.exists()


def test_a_refresh_token_in_the_answer_lets_nobody_in(users: UsersService) -> None:
    users.token = tokens.sign(tokens.claims(users.id, use="refresh", roles=["admin"]))

    assert enter()[1].status_code == 200
    assert not User.objects.exists()


def test_a_service_token_in_the_answer_lets_nobody_in(users: UsersService) -> None:
    users.token = tokens.service_access_token("order-service")

    assert enter()[1].status_code == 200
    assert not User.objects.exists()


def test_when_users_is_away_the_form_says_so(users: UsersService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER_SERVICE_URL", "http://127.0.0.1:9158")

    browser, answer = enter()

    assert answer.status_code == 200
    assert "the users service does not answer" in answer.content.decode()
    assert browser.get("/admin/").status_code == 302


def test_a_limit_at_users_is_passed_on(users: UsersService) -> None:
    users.status = 429

    answer = enter()[1]

    assert "Too many attempts. Try again in 42 seconds." in answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (429, "42")


def test_guessing_is_limited_here_before_users_is_asked(users: UsersService) -> None:
    """Of one source; time stands still, so that no window ends between two guesses."""
    with time_machine.travel("2026-11-23T10:00:00Z", tick=False):
        for host in range(1, 11):
            assert enter(password="wrong", REMOTE_ADDR=f"2001:db8::{host:x}")[1].status_code == 200
        asked = len(users.asked)

        answer = enter(REMOTE_ADDR="2001:db8::99")[1]

        assert "Too many attempts. Try again in" in answer.content.decode()
        assert (answer.status_code, 1 <= int(answer["Retry-After"]) <= 300) == (429, True)
        assert len(users.asked) == asked == 10


def test_guesses_from_elsewhere_lock_nobody_out_here(users: UsersService) -> None:
    """Users judges guesses from many sources: it knows the sources of each account."""
    for host in range(12):
        enter(password="wrong", REMOTE_ADDR=f"203.0.113.{host}")

    assert enter(REMOTE_ADDR="198.51.100.7")[1].status_code == 302


def let_five_minutes_pass(user_id: str) -> None:
    """For the rule of when an account is looked at again."""
    assert cache.delete(f"identity:checked:{user_id}")


def test_the_account_of_a_session_is_looked_at_once_in_five_minutes(users: UsersService) -> None:
    browser, _answer = enter()

    for _ in range(5):
        assert browser.get("/admin/").status_code == 200

    assert users.looked_at == [f"/users/{users.id}"]


@pytest.mark.parametrize("change", [{"roles": ()}, {"is_active": False}, {"id": "another"}])
def test_who_is_no_longer_staff_is_out_at_the_next_look(users: UsersService, change: dict[str, Any]) -> None:
    browser, _answer = enter()
    browser.get("/admin/")
    known_as = users.id
    for name, value in change.items():
        setattr(users, name, value)
    assert browser.get("/admin/").status_code == 200

    let_five_minutes_pass(known_as)

    assert browser.get("/admin/").status_code == 302
    assert not User.objects.filter(is_active=True).exists()


@pytest.mark.parametrize("status", [500, 403])
def test_a_session_goes_on_while_users_cannot_tell(users: UsersService, status: int) -> None:
    browser, _answer = enter()
    users.status = status

    assert browser.get("/admin/").status_code == 200
    assert User.objects.get().is_staff


def test_users_learns_the_address_of_the_person(users: UsersService) -> None:
    enter(REMOTE_ADDR="203.0.113.7")

    assert users.asked[0]["forwarded_for"] == "203.0.113.7"
