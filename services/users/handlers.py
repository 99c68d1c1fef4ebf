"""What users asks of itself: mail, which is sent before each handler's transaction begins."""

from atoll.bus import Ignore, Message, Retry, handles
from services.users.events import SendPasswordReset
from services.users.mail import AddressRefused, send_reset_mail
from services.users.usecases.issue_reset_token import issue_reset_token, note_mail_sent

# Somebody sits and waits for the mail; after an hour they have asked again.
MAIL_RETRY = Retry(immediate=1, delayed_s=(5, 30, 120, 600, 1800), max_age_s=3600)


def mail_token(command: SendPasswordReset, message: Message) -> None:
    """A repeat, after a worker died between mail and note, mails another token; the last one counts."""
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
