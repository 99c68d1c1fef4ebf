"""A new password by mail: the whole way, and the tokens."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from atoll.bus.models import Inbox, Outbox
from atoll.testing.races import at_once
from services.users.models import PasswordReset, RefreshFamily, User
from services.users.tests.browsing import PASSWORD, enter
from services.users.tests.resetting import ADA, NEW, START, Make, ask, confirm, mailed_token, refused, sign_in
from services.users.usecases.delete_user import delete_user
from services.users.usecases.issue_reset_token import issue_reset_token
from services.users.usecases.request_password_reset import request_password_reset
from services.users.usecases.reset_password import InvalidResetToken, reset_password
from services.users.usecases.update_user import Changes, update_user

pytestmark = pytest.mark.django_db


def test_the_whole_way(make_user: Make, atoll_bus: Any, settings: Any) -> None:
    settings.PASSWORD_RESET_URL = "https://shop.example/new-password"
    make_user(ADA)

    assert ask(" ADA@Example.com ").status_code == 202
    assert mail.outbox == []
    atoll_bus.settle()

    [sent] = mail.outbox
    assert sent.to == [ADA]
    assert f"\nhttps://shop.example/new-password#token={mailed_token()}\n" in sent.body
    assert "within 30 minutes" in sent.body
    assert confirm(mailed_token()).status_code == 204
    assert (sign_in(PASSWORD), sign_in(NEW)) == (401, 200)


def test_without_a_page_the_mail_has_the_token(reset_token: str) -> None:
    assert f"\n{reset_token}\n" in mail.outbox[0].body
    assert "http" not in mail.outbox[0].body


def test_every_session_ends(make_user: Make, signed_in: Any, bearer: Any, atoll_bus: Any) -> None:
    user = make_user(ADA, roles=("support",))
    pair, bystander = signed_in(user), signed_in(make_user())
    browser = enter(ADA)[0]
    assert browser.get("/admin/").status_code == 200
    ask()
    atoll_bus.settle()

    assert confirm(mailed_token()).status_code == 204

    assert bearer(pair["accessToken"]).get("/users/me").json()["code"] == "invalid_token"
    again = APIClient().post("/auth/refresh", {"refreshToken": pair["refreshToken"]})
    assert again.json()["code"] == "invalid_token"
    assert browser.get("/admin/").status_code == 302
    families = RefreshFamily.objects.filter(user=user)
    assert {family.in_browser: family.revoked_because for family in families} == {
        False: "password changed",
        True: "password changed",
    }
    assert bearer(bystander["accessToken"]).get("/users/me").status_code == 200


def test_the_answer_and_the_work_are_the_same_for_every_address(make_user: Make, atoll_bus: Any) -> None:
    make_user(ADA)
    update_user(make_user("gone@example.com").id, Changes(is_active=False))
    bodies, work = [], []
    for email in (ADA, "gone@example.com", "nobody@example.com"):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            answer = ask(email)
        assert answer.status_code == 202
        bodies.append(answer.json())
        work.append([re.sub(r"'[^']*'|NULL", "?", query["sql"]) for query in queries])

    assert bodies[0] == bodies[1] == bodies[2]
    assert [len(queries) for queries in work] == [len(work[0])] * 3
    assert [[sql.split()[0] for sql in queries] for queries in work] == [[s.split()[0] for s in work[0]]] * 3
    atoll_bus.settle()
    assert [sent.to for sent in mail.outbox] == [[ADA]]


def test_no_message_and_no_row_holds_address_or_token(reset_token: str) -> None:
    kept = [*Inbox.objects.values_list("body", flat=True), *Outbox.objects.values_list("body", flat=True)]
    about = [body for body in kept if "send.password_reset" in body]
    assert about
    assert not any(ADA in body or reset_token in body for body in about)
    assert not any(reset_token in body for body in kept)
    [row] = PasswordReset.objects.values()
    assert reset_token not in str(row)
    assert len(row["token_hash"]) == 64


def test_a_token_is_used_once(reset_token: str) -> None:
    assert confirm(reset_token).status_code == 204

    assert refused(confirm(reset_token, "another passphrase"))
    assert sign_in(NEW) == 200
    assert not PasswordReset.objects.exists()


@pytest.mark.parametrize(
    "end",
    [
        lambda user: request_password_reset(ADA),
        lambda user: update_user(user.id, Changes(email="countess@example.com")),
        lambda user: update_user(user.id, Changes(password_hash="!other")),
        lambda user: update_user(user.id, Changes(is_active=False)),
        lambda user: delete_user(user.id),
    ],
    ids=["asked again", "other address", "other password", "deactivated", "deleted"],
)
def test_what_ends_a_token(end: Callable[[User], object], reset_token: str) -> None:
    user = User.objects.get(email=ADA)
    end(user)
    before = User.objects.get(id=user.id).password

    assert refused(confirm(reset_token))

    assert User.objects.get(id=user.id).password == before


@pytest.mark.parametrize(
    "change",
    [
        lambda user: update_user(user.id, Changes(email="countess@example.com")),
        lambda user: update_user(user.id, Changes(password_hash="!other")),
        lambda user: update_user(user.id, Changes(is_active=False)),
        lambda user: delete_user(user.id),
    ],
    ids=["other address", "other password", "deactivated", "deleted"],
)
def test_no_mail_goes_once_the_account_has_changed(
    change: Callable[[User], object], make_user: Make, atoll_bus: Any
) -> None:
    user = make_user(ADA)
    ask()
    change(user)

    atoll_bus.settle()

    assert "A new password for your account" not in [sent.subject for sent in mail.outbox]
    assert atoll_bus.dead() == []


def test_other_changes_leave_a_token(reset_token: str) -> None:
    update_user(User.objects.get(email=ADA).id, Changes(name="Countess", roles=frozenset({"support"})))

    assert confirm(reset_token).status_code == 204


def test_of_two_requests_the_newer_mail_counts(make_user: Make, atoll_bus: Any) -> None:
    make_user(ADA)
    for _ in range(2):
        ask()
        atoll_bus.settle()

    first, second = mailed_token(0), mailed_token(1)
    assert refused(confirm(first))
    assert confirm(second).status_code == 204


def test_two_requests_at_once_send_one_mail(make_user: Make, atoll_bus: Any) -> None:
    make_user(ADA)
    ask()
    ask()
    atoll_bus.settle()

    assert len(mail.outbox) == 1
    assert confirm(mailed_token()).status_code == 204


@pytest.mark.parametrize(("minutes", "status"), [(29.9, 204), (30, 400), (1440, 400)])
def test_a_token_lives_for_half_an_hour(minutes: float, status: int, make_user: Make, atoll_bus: Any) -> None:
    with time_machine.travel(START, tick=False) as clock:
        make_user(ADA)
        ask()
        atoll_bus.settle()
        clock.shift(minutes * 60)

        assert confirm(mailed_token()).status_code == status


def test_its_life_is_a_setting(make_user: Make, atoll_bus: Any, settings: Any) -> None:
    settings.PASSWORD_RESET_LIFE = timedelta(minutes=5)
    with time_machine.travel(START, tick=False) as clock:
        make_user(ADA)
        ask()
        atoll_bus.settle()
        assert "within 5 minutes" in mail.outbox[0].body
        clock.shift(300)

        assert refused(confirm(mailed_token()))


@pytest.mark.parametrize(
    ("weak", "why"),
    [
        ("short", "short"),
        ("1234567890123", "numeric"),
        ("ada@example.com", "similar"),
        ("password123", "common"),
    ],
)
def test_a_weak_password_is_refused_and_the_token_stays(weak: str, why: str, reset_token: str) -> None:
    answer = confirm(reset_token, weak)

    assert (answer.status_code, answer.json()["code"]) == (400, "weak_password")
    assert why in " ".join(answer.json()["details"]["password"])
    assert sign_in(PASSWORD) == 200
    assert confirm(reset_token).status_code == 204


@pytest.mark.django_db(transaction=True)
def test_of_confirms_at_the_same_moment_one_wins(make_user: Make) -> None:
    make_user(ADA)
    request_password_reset(ADA)
    reset = issue_reset_token(PasswordReset.objects.get().id)
    assert reset
    passwords = [f"a quite new passphrase {number}" for number in range(4)]

    outcomes = at_once([lambda word=word: reset_password(reset.token, word) for word in passwords])

    won = [word for word, outcome in zip(passwords, outcomes, strict=True) if outcome is None]
    assert len(won) == 1
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [InvalidResetToken] * 3
    assert User.objects.get().check_password(won[0])
    assert User.objects.get().sessions_ended == 1


@pytest.mark.django_db(transaction=True)
def test_beside_a_change_of_password_the_later_one_does_not_undo_it(make_user: Make) -> None:
    user = make_user(ADA)
    request_password_reset(ADA)
    reset = issue_reset_token(PasswordReset.objects.get().id)
    assert reset

    outcomes = at_once(
        [
            lambda: reset_password(reset.token, NEW),
            lambda: update_user(user.id, Changes(password_hash="!own")),
        ]
    )

    # The change by hand came first and ended the token, or came last and stands: it stands either way.
    assert User.objects.get().password == "!own"
    assert outcomes[0] is None or isinstance(outcomes[0], InvalidResetToken)
