"""Mail of development: it stays in files of this machine, and the console shows the last ones.

Nothing is sent. The files are for their owner alone, because a mail can hold the token of a new password.
"""

import email
import email.policy
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage as ParsedMessage
from itertools import islice
from pathlib import Path

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from uuid_utils import uuid7

from atoll import conf, privatefile

KEPT = 50
MAX_BYTES = 64_000


@dataclass(frozen=True)
class Mail:
    """``date`` is that of the mail's header."""

    id: str
    sender: str
    to: str
    subject: str
    date: str
    text: str


class EmailBackend(BaseEmailBackend):
    """Writes each mail into a file, and deletes all but the newest 50."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder().mkdir(parents=True, exist_ok=True)
        folder().chmod(0o700)
        for one in email_messages:
            privatefile.write(folder() / f"{uuid7()}.eml", one.message().as_string())
        for old in _files()[KEPT:]:
            old.unlink(missing_ok=True)
        return len(email_messages)


def folder() -> Path:
    return conf.home() / "mail"


def newest() -> list[Mail]:
    """The kept mails, the newest first. Of a long one the beginning."""
    found = (_read(path) for path in islice(_files(), KEPT))
    return [one for one in found if one is not None]


def _files() -> list[Path]:
    """The newest first: their names begin with the time."""
    return sorted(folder().glob("*.eml"), reverse=True)


def _read(path: Path) -> Mail | None:
    """None for a mail that was deleted meanwhile."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES)
    except FileNotFoundError:
        return None
    message = email.message_from_bytes(raw, _class=ParsedMessage, policy=email.policy.default)
    body = message.get_body(("plain",))
    headers = {name: str(message.get(name, "")) for name in ("From", "To", "Subject", "Date")}
    return Mail(
        path.stem,
        headers["From"],
        headers["To"],
        headers["Subject"],
        headers["Date"],
        body.get_content() if body is not None else "",
    )
