"""The form of each annotation on the wire, for readers, writers and schemas."""

import types
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from atoll.errors import Misuse
from atoll.wire.errors import SchemaError
from atoll.wire.names import wire_name

SCALARS = (str, int, float, bool, Decimal, UUID, datetime, date)
# Keys in JSON are texts; these types can be read back from a text.
KEYS = (str, UUID, date)

Made = TypeVar("Made")


class Misfit(Exception):
    """A value does not fit its annotation; ``path`` grows from the inside out."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str] = []

    def at(self, step: str) -> "Misfit":
        self.path.append(step)
        return self

    def as_schema_error(self) -> SchemaError:
        return SchemaError("".join(reversed(self.path)).removeprefix(".") or "data", self.problem)


@dataclass(frozen=True)
class PayloadField:
    """One field: its Python name, its name on the wire, its annotation and its default, if any."""

    name: str
    key: str
    hint: Any
    default: Any
    make_default: Callable[[], Any] | None
    init: bool

    @property
    def required(self) -> bool:
        return self.default is MISSING and self.make_default is None


@dataclass(frozen=True)
class Form:
    """An annotation in parts. ``kind`` decides the meaning of the other fields.

    ``any``; ``scalar``, ``enum``, ``object`` (``python``: its class); ``literal``
    (``arguments``: the values); ``union`` (``arguments``, ``nullable``); ``list``
    (``python``: list or tuple, ``arguments``: the item); ``dict`` (``arguments``: key, value).
    """

    kind: Literal["any", "scalar", "enum", "object", "literal", "union", "list", "dict"]
    python: Any = None
    arguments: tuple[Any, ...] = ()
    nullable: bool = False


@cache
def payload_fields(cls: type) -> list[PayloadField]:
    """The fields of a dataclass. Raises Misuse when two of them have one name on the wire."""
    hints = get_type_hints(cls)
    found = [
        PayloadField(
            field.name,
            wire_name(field),
            hints[field.name],
            field.default,
            None if field.default_factory is MISSING else field.default_factory,
            field.init,
        )
        for field in fields(cls)
    ]
    if len({field.key for field in found}) != len(found):
        raise Misuse(f"Two fields of {cls.__name__} have the same name on the wire.")
    return found


def form(hint: Any) -> Form:
    """Raises Misuse for an annotation that JSON cannot write and read back as the same."""
    hint = getattr(hint, "__supertype__", hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in (Any, object):
        return Form("any")
    if origin in (Union, types.UnionType):
        choices = tuple(choice for choice in arguments if choice is not types.NoneType)
        return Form("union", arguments=choices, nullable=len(choices) < len(arguments))
    if origin is Literal:
        return Form("literal", arguments=arguments)
    if hint is list or origin is list:
        return Form("list", list, arguments or (Any,))
    if hint is tuple or (origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis):
        return Form("list", tuple, arguments[:1] or (Any,))
    if hint is dict or origin is dict:
        return _dict(arguments or (str, Any))
    if is_dataclass(hint):
        return Form("object", hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(hint)
    if hint in SCALARS:
        return Form("scalar", hint)
    raise Misuse(
        f"{getattr(hint, '__name__', hint)} has no form on the wire. Use str, int, float, bool, Decimal, "
        "UUID, datetime, date, Enum, Literal, a dataclass, list, tuple[X, ...], dict, Any or a union of them."
    )


def _dict(arguments: tuple[Any, ...]) -> Form:
    key = form(Any if arguments[0] is Any else arguments[0])
    if key.kind not in ("any", "enum", "literal") and key.python not in KEYS:
        raise Misuse(f"dict[{arguments[0].__name__}, …] cannot be read back: in JSON every key is a text.")
    return Form("dict", dict, arguments)


def _enum(hint: type[Enum]) -> Form:
    if all(isinstance(member.value, str) for member in hint):
        return Form("enum", hint)
    if all(isinstance(member.value, int) and not isinstance(member.value, bool) for member in hint):
        return Form("enum", hint)
    raise Misuse(f"The values of {hint.__name__} must be all text or all whole numbers.")


def name_of(value: Any) -> str:
    """The type of a value, for a message to a person."""
    return "null" if value is None else type(value).__name__
