"""Handlers of users. They send mail before their transaction begins."""

from atoll.bus import Ignore, Message, Retry, handles
from services.users.events import SendEmailChangeMail, SendPasswordReset
from services.users.mail import AddressRefused, send_email_change_mail, send_reset_mail
from services.users.usecases.issue_email_change_mail import (
    issue_email_change_mail,
    note_email_change_mail_sent,
)
from services.users.usecases.issue_reset_token import issue_reset_token, note_mail_sent

# A person waits for the mail; after an hour they have asked again.
MAIL_RETRY = Retry(immediate=1, delayed_s=(5, 30, 120, 600, 1800), max_age_s=3600)


def mail_token(command: SendPasswordReset, message: Message) -> None:
    """A repeat mails another token, and only the last token is valid.

    The bus repeats it when the worker dies between the mail and ``note_mail_sent``.
    """
    reset = issue_reset_token(command.request_id)
    if reset is None:
        raise Ignore("No mail is to be sent for this request.")
    try:
        send_reset_mail(reset)
    except AddressRefused as refusal:
        raise Ignore(str(refusal)) from None


@handles("send.password_reset", before=mail_token, retry=MAIL_RETRY)
def on_send_password_reset(command: SendPasswordReset, message: Message, sent: None) -> None:
    note_mail_sent(command.request_id)


def mail_email_change(command: SendEmailChangeMail, message: Message) -> None:
    """A repeat sends the mail again, to confirm with another token, and only the last token is valid."""
    mail = issue_email_change_mail(command.change_id, command.mail)
    if mail is None:
        raise Ignore("No mail is to be sent for this change.")
    try:
        send_email_change_mail(mail)
    except AddressRefused as refusal:
        raise Ignore(str(refusal)) from None


@handles("send.email_change_mail", before=mail_email_change, retry=MAIL_RETRY)
def on_send_email_change_mail(command: SendEmailChangeMail, message: Message, sent: None) -> None:
    note_email_change_mail_sent(command.change_id, command.mail)
