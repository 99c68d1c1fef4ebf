"""The mail of a password reset: its content, failures of the mail server, and limits."""

import smtplib
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from atoll.bus.models import Delivery
from services.users.models import PasswordReset
from services.users.tests.resetting import (
    ADA,
    AN_HOUR,
    START,
    Make,
    ask,
    confirm,
    mailed_token,
    refused,
)
from services.users.usecases.issue_reset_token import issue_reset_token

pytestmark = pytest.mark.django_db


class Flaky(EmailBackend):
    """Raises the exceptions in ``errors`` before it accepts mail."""

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
    error: Exception, make_user: Make, atoll_bus: Any, flaky: type[Flaky]
) -> None:
    make_user(ADA)
    flaky.errors = [error] * 3
    ask()

    atoll_bus.wait_for(lambda: mail.outbox, within=AN_HOUR)

    assert len(mail.outbox) == 1
    assert confirm(mailed_token()).status_code == 204
    told = " ".join(row.error + row.traceback for row in Delivery.objects.all())
    assert ADA not in told
    assert "secret" not in told


def test_a_mail_that_never_leaves_is_a_dead_letter_without_address(
    make_user: Make, atoll_bus: Any, flaky: type[Flaky]
) -> None:
    make_user(ADA)
    flaky.errors = [ConnectionRefusedError(111, f"no way to {ADA}")] * 50
    ask()

    atoll_bus.advance(AN_HOUR)

    [dead] = atoll_bus.dead("send.password_reset")
    assert "mail: ConnectionRefusedError 111" in dead.error
    assert ADA not in dead.error + dead.traceback
    assert "token=" not in dead.error + dead.traceback


def test_an_address_that_is_refused_for_good_is_no_dead_letter(
    make_user: Make, atoll_bus: Any, flaky: type[Flaky]
) -> None:
    make_user(ADA)
    # Once for the message, once for the copy of it that the harness sends.
    flaky.errors = [smtplib.SMTPRecipientsRefused({ADA: (550, b"no such user")}) for _ in range(2)]
    ask()

    atoll_bus.settle()

    assert mail.outbox == []
    assert atoll_bus.dead() == []
    rows = Delivery.objects.filter(message__name="send.password_reset")
    assert {row.status for row in rows} == {"ignored"}


def test_a_repeat_after_a_crash_mails_another_token_and_the_last_one_counts(
    make_user: Make, atoll_bus: Any
) -> None:
    make_user(ADA)
    ask()
    lost = issue_reset_token(PasswordReset.objects.get().id)
    assert lost

    atoll_bus.settle()

    assert refused(confirm(lost.token))
    assert confirm(mailed_token()).status_code == 204


def test_where_no_mail_can_be_sent_everybody_is_told(make_user: Make, settings: Any) -> None:
    make_user(ADA)
    settings.EMAIL_BACKEND = ""

    answers = [ask(), ask("nobody@example.com")]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert "no mail server is set" in answers[0].json()["message"]
    assert not PasswordReset.objects.exists()


def test_an_account_gets_three_mails_in_a_quarter_of_an_hour(make_user: Make, atoll_bus: Any) -> None:
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


def test_the_host_that_a_client_names_is_not_in_the_mail(make_user: Make, atoll_bus: Any) -> None:
    make_user(ADA, name="https://evil.example")

    ask(HTTP_X_FORWARDED_HOST="evil.example", HTTP_ORIGIN="https://evil.example")
    atoll_bus.settle()

    assert "evil" not in str(mail.outbox[0].message())
