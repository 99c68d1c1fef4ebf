"""A service that greets each account that is opened: an event, a command, an event."""

from dataclasses import dataclass
from typing import ClassVar

from django.db import transaction
from testproject.models import Note

from atoll.bus import (
    Message,
    handles,
    on,
    publish,
    send,
)


@dataclass
class Opened:
    type: ClassVar[str] = "account.opened"
    number: int


@dataclass
class Greeted:
    type: ClassVar[str] = "account.greeted"
    number: int


@dataclass
class Greet:
    command: ClassVar[str] = "greet.account"
    to: ClassVar[str] = "library-service"
    number: int


def write_once(text: str) -> bool:
    return Note.objects.get_or_create(text=text)[1]


def open_account(number: int, key: str | None = None) -> None:
    with transaction.atomic():
        publish(Opened(number), key=key)


def greeting_service() -> None:
    """An event makes a command, the command an event, each once."""

    @on("account.opened")
    def welcome(event: Opened, message: Message) -> None:
        if write_once(f"opened {event.number}"):
            send(Greet(event.number))

    @handles("greet.account")
    def greet(command: Greet, message: Message) -> None:
        if write_once(f"greeted {command.number}"):
            publish(Greeted(command.number))


def notes() -> list[str]:
    return list(Note.objects.order_by("id").values_list("text", flat=True))
