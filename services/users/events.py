"""The facts that users announces, and the mail it asks of itself."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID


@dataclass(frozen=True)
class UserCreated:
    """There is a new account: somebody registered, or support made it."""

    type: ClassVar[str] = "user.created"
    version: ClassVar[int] = 1
    personal: ClassVar[tuple[str, ...]] = ("email", "name")

    user_id: UUID
    email: str
    name: str


@dataclass(frozen=True)
class UserUpdated:
    """``changes`` holds the new value of every field that changed, under its name on the wire."""

    type: ClassVar[str] = "user.updated"
    version: ClassVar[int] = 1
    personal: ClassVar[tuple[str, ...]] = ("changes",)

    user_id: UUID
    changes: dict[str, Any]


@dataclass(frozen=True)
class UserDeleted:
    """The account was emptied and cannot sign in again; its id stays and is never used anew."""

    type: ClassVar[str] = "user.deleted"
    version: ClassVar[int] = 1

    user_id: UUID


@dataclass(frozen=True)
class SendPasswordReset:
    """Makes a token and mails it. Only the request is named: no message ever holds address or token."""

    command: ClassVar[str] = "send.password_reset"
    to: ClassVar[str] = "user-service"
    version: ClassVar[int] = 1

    request_id: UUID
