"""Sending the mail that leads to a new password."""

import smtplib

from django.conf import settings
from django.core.mail import EmailMessage

from atoll.errors import Unavailable
from services.users.usecases.issue_reset_token import ResetToken

SUBJECT = "A new password for your account"
WITH_PAGE = """\
Somebody, hopefully you, asked for a new password for the account of this address.

To choose one, open this page within {minutes} minutes:

{link}

The link works once. If you did not ask for it, do nothing: your password stays as it is.
"""
WITHOUT_PAGE = """\
Somebody, hopefully you, asked for a new password for the account of this address.

To set one within {minutes} minutes, send this token and the password to
POST /auth/password-reset/confirm:

{link}

The token works once. If you did not ask for it, do nothing: your password stays as it is.
"""


class AddressRefused(Exception):
    """The mail server will never deliver to this address."""


def can_be_sent() -> bool:
    """Whether this process knows where mail goes."""
    return bool(settings.EMAIL_BACKEND)


def send_reset_mail(reset: ResetToken) -> None:
    """Hand the mail to the mail server, for at most a few times EMAIL_TIMEOUT.

    Raises AddressRefused and Unavailable, neither of which tells the address or the token.
    """
    if not can_be_sent():
        raise Unavailable("mail", "EMAIL_URL is not set.")
    minutes = int(settings.PASSWORD_RESET_LIFE.total_seconds() // 60)
    page = settings.PASSWORD_RESET_URL
    # After #, a browser tells the token to no server, no log and no next page.
    link = f"{page}#token={reset.token}" if page else reset.token
    text = (WITH_PAGE if page else WITHOUT_PAGE).format(minutes=minutes, link=link)
    try:
        EmailMessage(SUBJECT, text, to=[reset.email]).send()
    except smtplib.SMTPRecipientsRefused as refused:
        codes = [code for code, _ in refused.recipients.values()]
        if all(500 <= code < 600 for code in codes):
            raise AddressRefused("The mail server refuses the address of the account.") from None
        raise Unavailable("mail", f"the server does not take the mail now: {codes}") from None
    except (smtplib.SMTPException, OSError) as error:
        code = getattr(error, "smtp_code", None) or getattr(error, "errno", None)
        raise Unavailable("mail", f"{type(error).__name__} {code or ''}".strip()) from None
