"""A new password by mail: the whole way, and everything that must not lead to one."""

import json
import re
import smtplib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from atoll.bus.models import Delivery, Inbox, Outbox
from atoll.testing.races import at_once
from services.users.models import PasswordReset, RefreshFamily, User
from services.users.tests.browsing import PASSWORD, enter
from services.users.usecases.delete_user import delete_user
from services.users.usecases.issue_reset_token import issue_reset_token
from services.users.usecases.request_password_reset import request_password_reset
from services.users.usecases.reset_password import InvalidResetToken, reset_password
from services.users.usecases.update_user import Changes, update_user

pytestmark = pytest.mark.django_db

Make = Callable[..., User]
ADA = "ada@example.com"
NEW = "a quite new passphrase"
START = "2026-11-23T10:00:00Z"
AN_HOUR = timedelta(hours=1)


def post(path: str, body: Any, **meta: str) -> Any:
    # Escaped, so that a test can send what is no text.
    return APIClient().post(path, json.dumps(body), content_type="application/json", **meta)


def ask(email: Any = ADA, **meta: str) -> Any:
    return post("/auth/password-reset", {"email": email}, **meta)


def confirm(token: Any, password: Any = NEW) -> Any:
    return post("/auth/password-reset/confirm", {"token": token, "password": password})


def sign_in(password: str, email: str = ADA) -> int:
    return int(APIClient().post("/auth/token", {"email": email, "password": password}).status_code)


def mailed_token(index: int = -1) -> str:
    found = re.search(r"^\S*?([\w-]{43})$", str(mail.outbox[index].body), re.MULTILINE)
    assert found
    return found[1]


@pytest.fixture
def token(make_user: Make, bus: Any) -> str:
    """Of a mail that went to ADA's account."""
    make_user(ADA)
    ask()
    bus.settle()
    return mailed_token()


def refused(answer: Any) -> bool:
    return answer.status_code == 400 and answer.json()["code"] == "invalid_reset_token"


def test_the_whole_way(make_user: Make, bus: Any, settings: Any) -> None:
    settings.PASSWORD_RESET_URL = "https://shop.example/new-password"
    make_user(ADA)

    assert ask(" ADA@Example.com ").status_code == 202
    assert mail.outbox == []
    bus.settle()

    [sent] = mail.outbox
    assert sent.to == [ADA]
    assert f"\nhttps://shop.example/new-password#token={mailed_token()}\n" in sent.body
    assert "within 30 minutes" in sent.body
    assert confirm(mailed_token()).status_code == 204
    assert (sign_in(PASSWORD), sign_in(NEW)) == (401, 200)


def test_without_a_page_the_mail_has_the_token(token: str) -> None:
    assert f"\n{token}\n" in mail.outbox[0].body
    assert "http" not in mail.outbox[0].body


def test_every_session_ends(make_user: Make, signed_in: Any, bearer: Any, bus: Any) -> None:
    user = make_user(ADA, roles=("support",))
    pair, bystander = signed_in(user), signed_in(make_user())
    browser = enter(ADA)[0]
    assert browser.get("/admin/").status_code == 200
    ask()
    bus.settle()

    assert confirm(mailed_token()).status_code == 204

    assert bearer(pair["accessToken"]).get("/users/me").json()["code"] == "invalid_token"
    again = APIClient().post("/auth/refresh", {"refreshToken": pair["refreshToken"]})
    assert again.json()["code"] == "invalid_token"
    assert browser.get("/admin/").status_code == 302
    assert [family.revoked_because for family in RefreshFamily.objects.filter(user=user)] == [
        "password changed"
    ]
    assert bearer(bystander["accessToken"]).get("/users/me").status_code == 200


def test_the_answer_and_the_work_are_the_same_for_every_address(make_user: Make, bus: Any) -> None:
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
    bus.settle()
    assert [sent.to for sent in mail.outbox] == [[ADA]]


def test_no_message_and_no_row_holds_address_or_token(token: str) -> None:
    kept = [*Inbox.objects.values_list("body", flat=True), *Outbox.objects.values_list("body", flat=True)]
    about = [body for body in kept if "send.password_reset" in body]
    assert about
    assert not any(ADA in body or token in body for body in about)
    assert not any(token in body for body in kept)
    [row] = PasswordReset.objects.values()
    assert token not in str(row)
    assert len(row["token_hash"]) == 64


def test_a_token_is_used_once(token: str) -> None:
    assert confirm(token).status_code == 204

    assert refused(confirm(token, "another passphrase"))
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
def test_what_ends_a_token(end: Callable[[User], object], token: str) -> None:
    user = User.objects.get(email=ADA)
    end(user)
    before = User.objects.get(id=user.id).password

    assert refused(confirm(token))

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
    change: Callable[[User], object], make_user: Make, bus: Any
) -> None:
    user = make_user(ADA)
    ask()
    change(user)

    bus.settle()

    assert mail.outbox == []
    assert bus.dead() == []


def test_other_changes_leave_a_token(token: str) -> None:
    update_user(User.objects.get(email=ADA).id, Changes(name="Countess", roles=frozenset({"support"})))

    assert confirm(token).status_code == 204


def test_of_two_requests_the_newer_mail_counts(make_user: Make, bus: Any) -> None:
    make_user(ADA)
    for _ in range(2):
        ask()
        bus.settle()

    first, second = mailed_token(0), mailed_token(1)
    assert refused(confirm(first))
    assert confirm(second).status_code == 204


def test_two_requests_at_once_send_one_mail(make_user: Make, bus: Any) -> None:
    make_user(ADA)
    ask()
    ask()
    bus.settle()

    assert len(mail.outbox) == 1
    assert confirm(mailed_token()).status_code == 204


@pytest.mark.parametrize(("minutes", "status"), [(29.9, 204), (30, 400), (1440, 400)])
def test_a_token_lives_for_half_an_hour(minutes: float, status: int, make_user: Make, bus: Any) -> None:
    with time_machine.travel(START, tick=False) as clock:
        make_user(ADA)
        ask()
        bus.settle()
        clock.shift(minutes * 60)

        assert confirm(mailed_token()).status_code == status


def test_its_life_is_a_setting(make_user: Make, bus: Any, settings: Any) -> None:
    settings.PASSWORD_RESET_LIFE = timedelta(minutes=5)
    with time_machine.travel(START, tick=False) as clock:
        make_user(ADA)
        ask()
        bus.settle()
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
def test_a_weak_password_is_refused_and_the_token_stays(weak: str, why: str, token: str) -> None:
    answer = confirm(token, weak)

    assert (answer.status_code, answer.json()["code"]) == (400, "weak_password")
    assert why in " ".join(answer.json()["details"]["password"])
    assert sign_in(PASSWORD) == 200
    assert confirm(token).status_code == 204


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


class Flaky(EmailBackend):
    """Raises what is in ``errors`` before it takes mail."""

    errors: list[Exception] = []

    def send_messages(self, messages: Any) -> int:
        if Flaky.errors:
            raise Flaky.errors.pop(0)
        return int(super().send_messages(messages))


@pytest.fixture
def flaky(settings: Any) -> type[Flaky]:
    settings.EMAIL_BACKEND = f"{__name__}.Flaky"
    Flaky.errors = []
    return Flaky


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, f"no way to {ADA}"),
        smtplib.SMTPServerDisconnected(f"gone while {ADA}"),
        smtplib.SMTPRecipientsRefused({ADA: (451, b"greylisted")}),
        smtplib.SMTPAuthenticationError(535, b"secret"),
        TimeoutError("timed out"),
    ],
)
def test_a_mail_server_that_is_away_is_asked_again(
    error: Exception, make_user: Make, bus: Any, flaky: type[Flaky]
) -> None:
    make_user(ADA)
    flaky.errors = [error] * 3
    ask()

    bus.wait_for(lambda: mail.outbox, within=AN_HOUR)

    assert len(mail.outbox) == 1
    assert confirm(mailed_token()).status_code == 204
    told = " ".join(row.error + row.traceback for row in Delivery.objects.all())
    assert ADA not in told
    assert "secret" not in told


def test_a_mail_that_never_leaves_is_a_dead_letter_without_address(
    make_user: Make, bus: Any, flaky: type[Flaky]
) -> None:
    make_user(ADA)
    flaky.errors = [ConnectionRefusedError(111, f"no way to {ADA}")] * 50
    ask()

    bus.advance(AN_HOUR)

    [dead] = bus.dead("send.password_reset")
    assert "mail: ConnectionRefusedError 111" in dead.error
    assert ADA not in dead.error + dead.traceback
    assert "token=" not in dead.error + dead.traceback


def test_an_address_that_is_refused_for_good_is_no_dead_letter(
    make_user: Make, bus: Any, flaky: type[Flaky]
) -> None:
    make_user(ADA)
    # Once for the message, once for the copy of it that the harness sends.
    flaky.errors = [smtplib.SMTPRecipientsRefused({ADA: (550, b"no such user")}) for _ in range(2)]
    ask()

    bus.settle()

    assert mail.outbox == []
    assert bus.dead() == []
    rows = Delivery.objects.filter(message__name="send.password_reset")
    assert {row.status for row in rows} == {"ignored"}


def test_a_repeat_after_a_crash_mails_another_token_and_the_last_one_counts(
    make_user: Make, bus: Any
) -> None:
    make_user(ADA)
    ask()
    lost = issue_reset_token(PasswordReset.objects.get().id)
    assert lost

    bus.settle()

    assert refused(confirm(lost.token))
    assert confirm(mailed_token()).status_code == 204


def test_where_no_mail_can_be_sent_everybody_is_told(make_user: Make, settings: Any) -> None:
    make_user(ADA)
    settings.EMAIL_BACKEND = ""

    answers = [ask(), ask("nobody@example.com")]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert "no mail server is set" in answers[0].json()["message"]
    assert not PasswordReset.objects.exists()


def test_an_account_gets_three_mails_in_a_quarter_of_an_hour(make_user: Make, bus: Any) -> None:
    with time_machine.travel(START, tick=False) as clock:
        make_user(ADA)
        for email in (ADA, "nobody@example.com"):
            statuses = [ask(email, REMOTE_ADDR=f"203.0.113.{host}").status_code for host in range(5)]
            assert statuses == [202] * 3 + [429] * 2
        assert PasswordReset.objects.count() == 6
        clock.shift(900)
        assert ask().status_code == 202


def test_an_address_is_limited_whatever_it_asks_for() -> None:
    with time_machine.travel(START, tick=False):
        asked = [ask(f"{number}@example.com").status_code for number in range(21)]
        confirmed = [confirm("x" * 43).status_code for _ in range(31)]

    assert asked == [202] * 20 + [429]
    assert confirmed == [400] * 30 + [429]


def test_requests_that_are_over_are_forgotten(make_user: Make) -> None:
    with time_machine.travel(START, tick=False) as clock:
        make_user(ADA)
        ask()
        ask("nobody@example.com")
        clock.shift(24 * 3600 + 1801)
        ask("somebody@example.com")

        assert PasswordReset.objects.count() == 1


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


def test_what_is_no_address_is_refused(make_user: Make, bus: Any) -> None:
    make_user(ADA)

    answers = [ask(email) for email in NO_ADDRESS]
    bus.settle()

    assert [answer.status_code for answer in answers] == [400] * len(NO_ADDRESS)
    assert all(set(answer.json()) == SHAPE for answer in answers)
    assert not PasswordReset.objects.exists()
    assert mail.outbox == []


@pytest.mark.parametrize(("wrong", "field"), [(NO_TOKEN, "token"), (NO_PASSWORD, "password")])
def test_what_is_no_token_or_no_password_is_refused(wrong: list[Any], field: str, token: str) -> None:
    before = User.objects.get(email=ADA).password

    answers = [confirm(**{"token": token, field: value}) for value in wrong]

    assert [answer.status_code for answer in answers] == [400] * len(wrong)
    assert all(set(answer.json()) == SHAPE for answer in answers)
    assert User.objects.get(email=ADA).password == before
    assert confirm(token).status_code == 204


@pytest.mark.parametrize("extra", [{"roles": ["admin"]}, {"userId": "x"}, {"page": "https://evil.example"}])
def test_fields_that_do_not_belong_are_refused(extra: dict[str, Any], make_user: Make) -> None:
    make_user(ADA)

    answer = post("/auth/password-reset", {"email": ADA, **extra})

    assert answer.status_code == 400
    assert not PasswordReset.objects.exists()


def test_the_host_that_a_client_names_is_not_in_the_mail(make_user: Make, bus: Any) -> None:
    make_user(ADA, name="https://evil.example")

    ask(HTTP_X_FORWARDED_HOST="evil.example", HTTP_ORIGIN="https://evil.example")
    bus.settle()

    assert "evil" not in str(mail.outbox[0].message())


def test_answers_are_not_cached(token: str) -> None:
    assert ask()["Cache-Control"] == "no-store"
    assert confirm("x")["Cache-Control"] == "no-store"
