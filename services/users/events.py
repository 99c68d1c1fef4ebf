"""The events of users, and its commands to itself to send mail."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID


@dataclass(frozen=True)
class UserCreated:
    """A person registered, or support created the account."""

    type: ClassVar[str] = "user.created"
    version: ClassVar[int] = 1
    personal: ClassVar[tuple[str, ...]] = ("email", "name")

    user_id: UUID
    email: str
    name: str


@dataclass(frozen=True)
class UserUpdated:
    """``changes`` has the new value of every changed field, by its name on the wire."""

    type: ClassVar[str] = "user.updated"
    version: ClassVar[int] = 1
    personal: ClassVar[tuple[str, ...]] = ("changes",)

    user_id: UUID
    changes: dict[str, Any]


@dataclass(frozen=True)
class UserDeleted:
    """The account lost its personal data and cannot sign in again; no other account gets its id."""

    type: ClassVar[str] = "user.deleted"
    version: ClassVar[int] = 1

    user_id: UUID


@dataclass(frozen=True)
class SendPasswordReset:
    """Makes a token and mails it. No message contains the address or the token, only the request's id."""

    command: ClassVar[str] = "send.password_reset"
    to: ClassVar[str] = "user-service"
    version: ClassVar[int] = 1

    request_id: UUID


@dataclass(frozen=True)
class SendEmailChangeMail:
    """Sends one mail about a change of an account's address. No message contains an address or the token.

    ``mail`` is ``confirm``, ``requested``, ``changed_former`` or ``changed_new``.
    """

    command: ClassVar[str] = "send.email_change_mail"
    to: ClassVar[str] = "user-service"
    version: ClassVar[int] = 1

    change_id: UUID
    mail: str
