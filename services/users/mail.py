"""The mail for a password reset."""

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
    """Whether a mail server is configured."""
    return bool(settings.EMAIL_BACKEND)


def send_reset_mail(reset: ResetToken) -> None:
    """Give the mail to the mail server; takes at most a few times EMAIL_TIMEOUT.

    Raises AddressRefused and Unavailable. Their texts contain neither the address nor the token.
    """
    if not can_be_sent():
        raise Unavailable("mail", "EMAIL_URL is not set.")
    minutes = int(settings.PASSWORD_RESET_LIFE.total_seconds() // 60)
    page = settings.PASSWORD_RESET_URL
    # Browsers do not send the part after # to servers, so no log has the token.
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
