"""Another address of one's own account: it holds when its owner has confirmed it by mail."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.utils import timezone
from rest_framework.test import APIClient

from atoll.bus.models import Inbox, Outbox
from atoll.testing.races import at_once
from services.users.email_changes import KEPT_FOR
from services.users.models import EmailChange, User
from services.users.tests.browsing import PASSWORD
from services.users.tests.changing_email import (
    NEW_EMAIL,
    ask_change,
    confirm_change,
    mailed_to,
    pending_of,
    refused_change,
    token_to,
)
from services.users.tests.resetting import ADA, START, Make, post, sign_in
from services.users.tests.test_password_reset_input import SHAPE
from services.users.usecases.confirm_email_change import InvalidEmailToken, confirm_email_change
from services.users.usecases.delete_user import delete_user
from services.users.usecases.end_sessions import Because, end_all_sessions
from services.users.usecases.issue_email_change_mail import issue_email_change_mail
from services.users.usecases.update_user import Changes, update_user

pytestmark = pytest.mark.django_db

As = Callable[..., APIClient]


@pytest.fixture
def ada(make_user: Make) -> User:
    return make_user(ADA)


@pytest.fixture
def owner(ada: User, atoll_as_user: As) -> APIClient:
    return atoll_as_user(ada.id)


@pytest.fixture
def token(ada: User, owner: APIClient, atoll_bus: Any) -> str:
    """The token of a mail to NEW_EMAIL."""
    assert ask_change(owner, ada).status_code == 200
    atoll_bus.settle()
    return token_to()


def test_the_whole_way(ada: User, owner: APIClient, atoll_bus: Any, settings: Any) -> None:
    settings.EMAIL_CHANGE_URL = "https://shop.example/new-email"

    answer = ask_change(owner, ada, "Countess@Example.com")

    assert (answer.status_code, answer.json()["email"]) == (200, ADA)
    assert answer.json()["pendingEmail"] == NEW_EMAIL
    assert mail.outbox == []
    atoll_bus.settle()
    [asked], [told] = mailed_to(NEW_EMAIL), mailed_to(ADA)
    assert f"\nhttps://shop.example/new-email#token={token_to()}\n" in asked.body
    assert ADA not in str(asked.message())
    assert NEW_EMAIL in told.body
    assert token_to() not in told.body
    assert (sign_in(PASSWORD, ADA), sign_in(PASSWORD, NEW_EMAIL)) == (200, 401)
    assert atoll_bus.published("user.updated") == []

    assert confirm_change(token_to()).status_code == 204
    atoll_bus.settle()

    assert (sign_in(PASSWORD, ADA), sign_in(PASSWORD, NEW_EMAIL)) == (401, 200)
    [event] = atoll_bus.published("user.updated")
    assert event["data"]["changes"] == {"email": NEW_EMAIL}
    assert owner.get("/users/me").json()["email"] == NEW_EMAIL
    assert pending_of(owner) is None
    assert [one.subject for one in mailed_to(ADA)][1:] == ["The address of your account has changed"]
    assert [one.subject for one in mailed_to(NEW_EMAIL)][1:] == ["This is the address of your account now"]
    assert ADA not in str(mailed_to(NEW_EMAIL)[1].message())


def test_without_a_page_the_mail_has_the_token(token: str) -> None:
    assert f"\n{token}\n" in mailed_to(NEW_EMAIL)[0].body
    assert "http" not in mailed_to(NEW_EMAIL)[0].body


def test_only_the_owner_sees_the_pending_address(
    ada: User, owner: APIClient, token: str, atoll_as_staff: As, atoll_as_service: As
) -> None:
    assert pending_of(owner) == NEW_EMAIL
    assert owner.get(f"/users/{ada.id}").json()["pendingEmail"] == NEW_EMAIL
    for other in (atoll_as_staff(), atoll_as_service()):
        assert "pendingEmail" not in other.get(f"/users/{ada.id}").json()
    assert NEW_EMAIL not in atoll_as_staff().get("/users").content.decode()


def test_a_token_is_used_once(ada: User, token: str) -> None:
    assert confirm_change(token).status_code == 204
    update_user(ada.id, Changes(email=ADA))

    assert refused_change(confirm_change(token))

    ada.refresh_from_db()
    assert ada.email == ADA


def test_the_present_address_withdraws_it_and_needs_no_password(
    ada: User, owner: APIClient, token: str, atoll_bus: Any
) -> None:
    answer = owner.patch(f"/users/{ada.id}", {"email": ADA})

    assert (answer.status_code, answer.json()["pendingEmail"]) == (200, None)
    assert refused_change(confirm_change(token))
    assert not EmailChange.objects.exists()
    assert atoll_bus.published("user.updated") == []


def test_a_second_request_replaces_the_first(ada: User, owner: APIClient, token: str, atoll_bus: Any) -> None:
    assert ask_change(owner, ada, "king@example.com").json()["pendingEmail"] == "king@example.com"
    atoll_bus.settle()

    assert refused_change(confirm_change(token))
    assert confirm_change(token_to("king@example.com")).status_code == 204


@pytest.mark.parametrize(
    "end",
    [
        lambda user: update_user(user.id, Changes(email="other@example.com")),
        lambda user: update_user(user.id, Changes(password_hash="!other")),
        lambda user: update_user(user.id, Changes(is_active=False)),
        lambda user: end_all_sessions(user, Because.STAFF),
        lambda user: delete_user(user.id),
    ],
    ids=["other address", "other password", "deactivated", "sessions ended", "deleted"],
)
def test_what_ends_a_request(end: Callable[[User], object], ada: User, token: str, atoll_bus: Any) -> None:
    end(ada)
    before = User.objects.get(id=ada.id).email

    assert refused_change(confirm_change(token))

    assert User.objects.get(id=ada.id).email == before != NEW_EMAIL
    assert not EmailChange.objects.filter(made_at=None).exists()


def test_a_new_password_of_the_same_request_keeps_the_new_address_pending(
    ada: User, owner: APIClient, atoll_bus: Any
) -> None:
    change = {"email": NEW_EMAIL, "password": "an entirely new password", "currentPassword": PASSWORD}

    assert owner.patch(f"/users/{ada.id}", change).json()["pendingEmail"] == NEW_EMAIL

    atoll_bus.settle()
    assert confirm_change(token_to()).status_code == 204
    assert sign_in("an entirely new password", NEW_EMAIL) == 200


def test_a_token_lives_for_a_day(ada: User, atoll_as_user: As, atoll_bus: Any) -> None:
    with time_machine.travel(START, tick=False) as clock:
        owner = atoll_as_user(ada.id)
        ask_change(owner, ada)
        [change] = EmailChange.objects.all()
        issued = issue_email_change_mail(change.id, "confirm")
        assert issued is not None
        clock.shift(timedelta(days=1))
        assert refused_change(confirm_change(issued.token))
        assert issue_email_change_mail(change.id, "confirm") is None
        assert pending_of(atoll_as_user(ada.id)) is None
        clock.shift(timedelta(seconds=-1))
        assert confirm_change(issued.token).status_code == 204


def test_old_rows_are_deleted_by_the_next_request(ada: User, owner: APIClient, make_user: Make) -> None:
    other = make_user()
    old = EmailChange.objects.create(
        user=other,
        email="x@example.com",
        former_email=other.email,
        created_at=timezone.now() - KEPT_FOR - timedelta(seconds=1),
    )

    ask_change(owner, ada)

    assert not EmailChange.objects.filter(id=old.id).exists()
    assert EmailChange.objects.get().user == ada


def test_a_taken_address_is_told_to_nobody_but_its_owner(
    make_user: Make, ada: User, owner: APIClient, atoll_bus: Any
) -> None:
    make_user("bob@example.com")

    taken, free = ask_change(owner, ada, "bob@example.com"), ask_change(owner, ada, NEW_EMAIL)

    assert taken.status_code == free.status_code == 200
    ask_change(owner, ada, "bob@example.com")
    atoll_bus.settle()
    answer = confirm_change(token_to("bob@example.com"))
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    ada.refresh_from_db()
    assert ada.email == ADA
    assert atoll_bus.published("user.updated") == []


def test_staff_change_it_at_once_and_both_addresses_are_told(
    ada: User, atoll_as_staff: As, atoll_bus: Any
) -> None:
    answer = atoll_as_staff().patch(f"/users/{ada.id}", {"email": NEW_EMAIL})

    assert (answer.status_code, answer.json()["email"]) == (200, NEW_EMAIL)
    atoll_bus.settle()
    assert sorted(str(one.to[0]) for one in mail.outbox) == [ADA, NEW_EMAIL]
    assert [event["data"]["changes"] for event in atoll_bus.published("user.updated")] == [
        {"email": NEW_EMAIL}
    ]


def test_without_a_mail_server_the_owner_cannot_and_staff_can(
    ada: User, owner: APIClient, atoll_as_staff: As, atoll_bus: Any, settings: Any
) -> None:
    settings.EMAIL_BACKEND = ""

    answer = ask_change(owner, ada)

    assert answer.status_code == 503
    assert not EmailChange.objects.exists()
    assert atoll_as_staff().patch(f"/users/{ada.id}", {"email": NEW_EMAIL}).status_code == 200
    atoll_bus.settle()
    assert atoll_bus.dead("send.email_change_mail") == []
    assert not EmailChange.objects.exists()


@pytest.mark.usefixtures("window")
def test_an_account_asks_three_times_in_fifteen_minutes(make_user: Make, atoll_as_user: As) -> None:
    ada = make_user(ADA)
    owner = atoll_as_user(ada.id)

    answers = [ask_change(owner, ada, f"number-{number}@example.com") for number in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[3]["Retry-After"]) > 0
    assert pending_of(owner) == "number-2@example.com"


def test_no_message_holds_an_address_and_nothing_stored_holds_the_token(token: str) -> None:
    kept = [*Inbox.objects.values_list("body", flat=True), *Outbox.objects.values_list("body", flat=True)]
    about = [body for body in kept if "send.email_change_mail" in body]
    assert about
    assert not any(ADA in body or NEW_EMAIL in body for body in about)
    assert not any(token in body for body in kept)
    [row] = EmailChange.objects.values()
    assert token not in str(row)
    assert len(row["token_hash"]) == 64


def test_a_mail_that_left_is_not_made_again(token: str) -> None:
    [change] = EmailChange.objects.all()
    assert sorted(change.sent) == ["confirm", "requested"]
    kinds = ("confirm", "requested", "changed_former", "changed_new", "unknown")
    assert [issue_email_change_mail(change.id, kind) for kind in kinds] == [None] * 5
    assert confirm_change(token).status_code == 204


@pytest.mark.parametrize(
    "token", [None, 1, True, [], {}, "", " ", "x", "x" * 43, "x" * 201, "\x00", "\ud800"]
)
def test_what_is_no_token_is_refused(token: Any) -> None:
    answer = post("/auth/email-change/confirm", {"token": token})

    assert answer.status_code == 400
    assert set(answer.json()) == SHAPE


@pytest.mark.django_db(transaction=True)
def test_of_two_confirmations_at_once_one_counts(make_user: Make, atoll_as_user: As, atoll_bus: Any) -> None:
    ada = make_user(ADA)
    ask_change(atoll_as_user(ada.id), ada)
    atoll_bus.settle()
    token = token_to()

    outcomes = at_once([lambda: confirm_email_change(token)] * 2)

    assert sorted(type(outcome) for outcome in outcomes if outcome is not None) == [InvalidEmailToken]
    assert len(atoll_bus.published("user.updated")) == 1


def test_a_deleted_account_leaves_no_address(ada: User, token: str) -> None:
    confirm_change(token)
    assert EmailChange.objects.exists()

    delete_user(ada.id)

    assert not EmailChange.objects.exists()
