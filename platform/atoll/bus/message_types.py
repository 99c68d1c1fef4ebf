"""The types that the functions of the bus accept, for type checkers. Nothing derives from them."""

from dataclasses import Field
from typing import Any, ClassVar, Never, Protocol, TypeVar

from atoll.bus.message import Message


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class Event(_Dataclass, Protocol):
    """An instance of a dataclass that names its event: ``type: ClassVar[str] = "order.created"``."""

    type: ClassVar[str]


class Command(_Dataclass, Protocol):
    """An instance of a dataclass that names its command: ``command: ClassVar[str] = "reserve.stock"``."""

    command: ClassVar[str]


class AddressedCommand(Command, Protocol):
    """A command whose class names the service that carries it out: ``to: ClassVar[str]``."""

    to: ClassVar[str]


class HandlerFunction(Protocol):
    """A function of a payload and its message. ``Never`` lets each function choose its own payload class."""

    def __call__(self, payload: Never, message: Message, /) -> None: ...


Function = TypeVar("Function", bound=HandlerFunction)
Payload = TypeVar("Payload")
Prepared = TypeVar("Prepared")
