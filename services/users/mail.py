"""The mails for a password reset and about a change of the address."""

import smtplib

from django.conf import settings
from django.core.mail import EmailMessage

from atoll import conf
from atoll.errors import Unavailable
from atoll.identity.oidc import configuration
from services.users.email_changes import CONFIRM_WITHIN
from services.users.models import EmailChange
from services.users.usecases.issue_email_change_mail import EmailChangeMail
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


CONFIRM_WITH_PAGE = """\
Somebody, hopefully you, wants to use this address for an account.

To confirm it, open this page within {hours} hours:

{link}

The link works once. If you did not ask for it, do nothing: the account keeps its address.
"""
CONFIRM_WITHOUT_PAGE = """\
Somebody, hopefully you, wants to use this address for an account.

To confirm it within {hours} hours, send this token to POST /auth/email-change/confirm:

{link}

The token works once. If you did not ask for it, do nothing: the account keeps its address.
"""
# Mails to the new address do not name the former one: a mistyped address is a stranger's.
ABOUT_CHANGE = {
    EmailChange.Mail.REQUESTED: (
        "Another address for your account",
        """\
Somebody, hopefully you, asked to change the address of your account to {email}.

It changes when the link in a mail to that address is used. Until then you sign in with this address.

If you did not ask for it, set a new password now. This ends the change and every session.
""",
    ),
    EmailChange.Mail.CHANGED_FORMER: (
        "The address of your account has changed",
        """\
The address of your account is now {email}. Sign in with it from now on.

If you do not know of this change, write to the support at once.
""",
    ),
    EmailChange.Mail.CHANGED_NEW: (
        "This is the address of your account now",
        """\
This is the address of your account now. Sign in with it from now on.

If you have no account here, write to the support.
""",
    ),
}

# Pages below users' admin, for the links in development. In production a customer may not reach the admins.
CHOOSE_PAGE = "/password_reset/new"
CONFIRM_PAGE = "/email_change"


class AddressRefused(Exception):
    """The mail server will never deliver to this address."""


def _own_page(path: str) -> str:
    if conf.environment() != "development":
        return ""
    return f"{configuration.places('users')[0]}{path}"


def can_be_sent() -> bool:
    """Whether a mail server is configured."""
    return bool(settings.EMAIL_BACKEND)


def send_reset_mail(reset: ResetToken) -> None:
    """Raises AddressRefused and Unavailable. Their texts contain neither the address nor the token."""
    minutes = int(settings.PASSWORD_RESET_LIFE.total_seconds() // 60)
    page = settings.PASSWORD_RESET_URL or _own_page(CHOOSE_PAGE)
    text = (WITH_PAGE if page else WITHOUT_PAGE).format(minutes=minutes, link=_link(page, reset.token))
    _send(SUBJECT, text, reset.email)


def send_email_change_mail(mail: EmailChangeMail) -> None:
    """Raises AddressRefused and Unavailable. Their texts contain neither an address nor the token."""
    if mail.kind == EmailChange.Mail.CONFIRM:
        hours = int(CONFIRM_WITHIN.total_seconds() // 3600)
        page = settings.EMAIL_CHANGE_URL or _own_page(CONFIRM_PAGE)
        text = CONFIRM_WITH_PAGE if page else CONFIRM_WITHOUT_PAGE
        text = text.format(hours=hours, link=_link(page, mail.token))
        _send("Confirm the new address of your account", text, mail.to)
        return
    subject, text = ABOUT_CHANGE[mail.kind]
    _send(subject, text.format(email=mail.new_email), mail.to)


def _link(page: str, token: str) -> str:
    """Browsers do not send the part after # to servers, so no log has the token."""
    return f"{page}#token={token}" if page else token


def _send(subject: str, text: str, to: str) -> None:
    """Give the mail to the mail server; takes at most a few times EMAIL_TIMEOUT."""
    if not can_be_sent():
        raise Unavailable("mail", "EMAIL_URL is not set.")
    try:
        EmailMessage(subject, text, to=[to]).send()
    except smtplib.SMTPRecipientsRefused as refused:
        codes = [code for code, _ in refused.recipients.values()]
        if all(500 <= code < 600 for code in codes):
            raise AddressRefused("The mail server refuses the address of the account.") from None
        raise Unavailable("mail", f"the server does not take the mail now: {codes}") from None
    except (smtplib.SMTPException, OSError) as error:
        code = getattr(error, "smtp_code", None) or getattr(error, "errno", None)
        raise Unavailable("mail", f"{type(error).__name__} {code or ''}".strip()) from None
