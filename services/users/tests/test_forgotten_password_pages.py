"""The pages for a forgotten password, as a person with a browser uses them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from services.users.models import RefreshFamily, User
from services.users.tests.resetting import ADA, AN_HOUR, NEW, mailed_token, sign_in

pytestmark = pytest.mark.django_db

Make = Callable[..., User]
ASK, CHOOSE = "/admin/password_reset/", "/admin/password_reset/new"
ACCEPTED = "If an active account has this email, a mail is on its way to it."


def choose(token: str, password: str = NEW, again: str = "") -> Any:
    return Client().post(CHOOSE, {"token": token, "password": password, "again": again or password})


def test_the_sign_in_page_leads_to_a_mail_and_its_token_to_a_new_password(
    make_user: Make, atoll_bus: Any
) -> None:
    user = make_user(ADA)
    assert sign_in("correct horse battery staple") == 200
    assert f'href="{ASK}"' in Client().get("/admin/login/").content.decode()
    assert Client().get(ASK).status_code == 200
    assert ACCEPTED in Client().post(ASK, {"email": ADA}).content.decode()
    atoll_bus.wait_for(lambda: mail.outbox, within=AN_HOUR)

    answer = choose(mailed_token())

    assert answer.status_code == 200
    assert "all former sessions have ended" in answer.content.decode()
    assert sign_in(NEW) == 200
    assert RefreshFamily.objects.filter(user=user, revoked_at=None).count() == 1
    again = choose(mailed_token(), "another good passphrase")
    assert sign_in(NEW) == 200
    assert "This token is not valid any more." in again.content.decode()


def test_an_address_without_an_account_reads_the_same_and_gets_no_mail(
    make_user: Make, atoll_bus: Any
) -> None:
    make_user(ADA)
    texts = [Client().post(ASK, {"email": email}).content.decode() for email in (ADA, "nobody@example.com")]
    assert all(ACCEPTED in text for text in texts)
    atoll_bus.wait_for(lambda: mail.outbox, within=AN_HOUR)
    atoll_bus.advance(AN_HOUR)
    assert [one.to for one in mail.outbox] == [[ADA]]


def test_the_page_counts_with_the_api_and_says_when_to_come_back(make_user: Make) -> None:
    make_user(ADA)
    answers = [Client().post(ASK, {"email": ADA}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[3]["Retry-After"]) > 0
    assert "Too many attempts" in answers[3].content.decode()


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [
        ("short", "", "This password is too short"),
        (NEW, "something quite else", "The two passwords differ."),
        ("x" * 129, "", "at most 128 characters"),
        (f"{NEW}\0", "", "Null characters are not allowed."),
    ],
)
def test_a_bad_password_keeps_the_token_and_the_old_password(
    make_user: Make, atoll_bus: Any, password: str, again: str, said: str
) -> None:
    make_user(ADA)
    Client().post(ASK, {"email": ADA})
    atoll_bus.wait_for(lambda: mail.outbox, within=AN_HOUR)

    answer = choose(mailed_token(), password, again)

    assert said in answer.content.decode()
    assert sign_in("correct horse battery staple") == 200
    choose(mailed_token())
    assert sign_in(NEW) == 200


def test_without_a_mail_server_the_page_says_who_helps(make_user: Make, settings: Any) -> None:
    settings.EMAIL_BACKEND = ""
    answer = Client().post(ASK, {"email": ADA})
    assert answer.status_code == 503
    assert "An administrator sets a new password." in answer.content.decode()


def test_the_mail_of_development_leads_to_the_page(
    make_user: Make, atoll_bus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.users.mail.conf.environment", lambda: "development")
    make_user(ADA)
    Client().post(ASK, {"email": ADA})
    atoll_bus.wait_for(lambda: mail.outbox, within=AN_HOUR)
    assert f"{CHOOSE}#token={mailed_token()}" in str(mail.outbox[-1].body)
