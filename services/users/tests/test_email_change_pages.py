"""The page that confirms a new address, and the own account in the admin."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from services.users.models import EmailChange, User
from services.users.selectors import pending_email
from services.users.tests.browsing import PASSWORD, enter
from services.users.tests.changing_email import NEW_EMAIL, ask_change, mailed_to, token_to
from services.users.tests.resetting import ADA, Make

pytestmark = pytest.mark.django_db

PAGE = "/admin/email_change"


@pytest.fixture
def asked(make_user: Make, atoll_as_user: Callable[..., APIClient], atoll_bus: Any) -> User:
    """The account of ADA after its owner asked for NEW_EMAIL and the mails left."""
    user = make_user(ADA)
    ask_change(atoll_as_user(user.id), user)
    atoll_bus.settle()
    return user


@pytest.fixture
def own(make_user: Make) -> tuple[Client, User, str]:
    user = make_user("stan@example.com", "Stan Staff", roles=("support",))
    return enter(user.email)[0], user, reverse("admin:users_user_change", args=[user.id])


def test_the_button_of_the_page_confirms_and_the_link_alone_does_not(asked: User) -> None:
    page = Client().get(PAGE).content.decode()
    assert "users/token.js" in page
    assert "Confirm the email" in page
    asked.refresh_from_db()
    assert asked.email == ADA

    answer = Client().post(PAGE, {"token": token_to()})

    assert answer.status_code == 200
    assert "The email is changed." in answer.content.decode()
    asked.refresh_from_db()
    assert asked.email == NEW_EMAIL
    again = Client().post(PAGE, {"token": token_to()})
    assert "This token is not valid any more." in again.content.decode()


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "This field is required."),
        ("x" * 65, "at most 64 characters"),
        ("x\0", "Null characters are not allowed."),
        ("x" * 43, "This token is not valid any more."),
    ],
)
def test_a_bad_token_changes_nothing(asked: User, token: str, said: str) -> None:
    assert said in Client().post(PAGE, {"token": token}).content.decode()

    asked.refresh_from_db()
    assert (asked.email, pending_email(asked.id)) == (ADA, NEW_EMAIL)


def test_a_taken_address_is_told_at_the_end(asked: User, make_user: Make) -> None:
    make_user(NEW_EMAIL)

    assert "An account with this email exists." in Client().post(PAGE, {"token": token_to()}).content.decode()

    asked.refresh_from_db()
    assert asked.email == ADA


@pytest.mark.usefixtures("window")
def test_the_page_counts_with_the_api() -> None:
    api = APIClient()
    statuses = [
        *(Client().post(PAGE, {"token": "x"}).status_code for _ in range(15)),
        *(api.post("/auth/email-change/confirm", {"token": "x"}).status_code for _ in range(15)),
    ]
    assert statuses == [200] * 15 + [400] * 15

    last = Client().post(PAGE, {"token": "x"})

    assert last.status_code == 429
    assert int(last["Retry-After"]) > 0
    assert "Too many attempts" in last.content.decode()


def test_the_mail_of_development_leads_to_the_page(
    make_user: Make, atoll_as_user: Callable[..., APIClient], atoll_bus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.users.mail.conf.environment", lambda: "development")
    user = make_user(ADA)
    ask_change(atoll_as_user(user.id), user)
    atoll_bus.settle()
    assert f"{PAGE}#token={token_to()}" in str(mailed_to(NEW_EMAIL)[0].body)


def test_ones_own_page_in_the_admin_says_which_address_waits(
    own: tuple[Client, User, str], atoll_bus: Any
) -> None:
    browser, user, page = own
    wish = {"email": NEW_EMAIL, "name": "Stan King", "current_password": PASSWORD}

    shown = browser.post(page, wish, follow=True).content.decode()

    assert f"A mail to {NEW_EMAIL} has a link." in shown
    user.refresh_from_db()
    assert (user.email, user.name) == ("stan@example.com", "Stan King")
    atoll_bus.settle()
    assert NEW_EMAIL in browser.get(page).content.decode()
    Client().post(PAGE, {"token": token_to()})
    user.refresh_from_db()
    assert user.email == NEW_EMAIL


def test_a_button_on_ones_own_page_withdraws_the_address_that_waits(
    own: tuple[Client, User, str], atoll_bus: Any
) -> None:
    browser, user, page = own
    button = 'name="withdraw_email"'
    assert button not in browser.get(page).content.decode()
    browser.post(page, {"email": NEW_EMAIL, "name": user.name, "current_password": PASSWORD})
    atoll_bus.settle()
    shown = browser.get(page).content.decode()
    assert f"{NEW_EMAIL}</strong> has a link." in shown
    assert button in shown

    told = browser.post(page, {"withdraw_email": "1"}, follow=True).content.decode()

    assert f"{NEW_EMAIL} is withdrawn" in told
    assert button not in told
    assert LogEntry.objects.first().get_change_message() == (  # type: ignore[union-attr]
        f"Email {NEW_EMAIL} withdrawn before it was confirmed"
    )
    assert "This token is not valid any more." in Client().post(PAGE, {"token": token_to()}).content.decode()
    user.refresh_from_db()
    assert (user.email, pending_email(user.id)) == ("stan@example.com", None)
    again = browser.post(page, {"withdraw_email": "1"}, follow=True).content.decode()
    assert "No email waits any more." in again


def test_nobody_withdraws_the_address_of_another_account(own: tuple[Client, User, str], asked: User) -> None:
    browser, _, _ = own
    page = reverse("admin:users_user_change", args=[asked.id])
    assert 'name="withdraw_email"' not in browser.get(page).content.decode()

    assert browser.post(page, {"withdraw_email": "1"}).status_code == 403

    assert pending_email(asked.id) == NEW_EMAIL


def test_without_a_mail_server_the_admin_says_who_helps(own: tuple[Client, User, str], settings: Any) -> None:
    browser, user, page = own
    settings.EMAIL_BACKEND = ""
    wish = {"email": NEW_EMAIL, "name": "Stan King", "current_password": PASSWORD}

    answer = browser.post(page, wish)

    assert "An administrator changes the email." in answer.content.decode()
    user.refresh_from_db()
    assert (user.email, user.name) == ("stan@example.com", "Stan Staff")
    assert not EmailChange.objects.exists()
    assert not LogEntry.objects.exists()


def test_the_admin_changes_another_account_at_once_and_both_addresses_are_told(
    own: tuple[Client, User, str], make_user: Make, atoll_bus: Any
) -> None:
    browser, _, _ = own
    ada = make_user(ADA)
    page = reverse("admin:users_user_change", args=[ada.id])

    browser.post(page, {"email": NEW_EMAIL, "name": ada.name, "is_active": "on"})

    ada.refresh_from_db()
    assert ada.email == NEW_EMAIL
    atoll_bus.settle()
    assert sorted(str(one.to[0]) for one in mail.outbox) == [ADA, NEW_EMAIL]
    assert LogEntry.objects.get().get_change_message() == f"Email: {ADA} \u2192 {NEW_EMAIL}"
