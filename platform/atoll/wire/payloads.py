"""Reads a message's data into a dataclass, tolerantly.

It needs the fields of the class and ignores others, so a producer may add fields without breaking
an older consumer. A reader is built once per class.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from atoll.wire.annotations import Form, Misfit, form, name_of, payload_fields

T = TypeVar("T")
Reader = Callable[[Any], Any]


def from_payload(cls: type[T], data: Mapping[str, Any]) -> T:
    """An instance of the dataclass from a camelCase dict; fields that the class lacks are ignored.

    Reads UUID, Decimal, datetime (with a zone), date, int, float, str, bool, Enum,
    Literal, Any, ``list``/``tuple``/``dict`` of these, nested dataclasses and
    ``X | None``. A missing field takes its default; ``X | None`` without one is required too.
    A class may refuse values together by a ValueError from its ``__post_init__``.
    Raises SchemaError naming the field by its path on the wire, and Misuse for an
    annotation that has no form there.
    """
    plain: Any = cls
    try:
        made: T = _object(plain)(data)
    except Misfit as misfit:
        raise misfit.as_schema_error() from None
    return made


@cache
def _object(cls: Any) -> Reader:
    plan = [
        (field.name, field.key, field.required, _reader(field.hint))
        for field in payload_fields(cls)
        if field.init
    ]

    def read(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise Misfit(f"must be an object, not {name_of(data)}")
        values = {}
        for name, key, required, reader in plan:
            if key in data:
                try:
                    values[name] = reader(data[key])
                except Misfit as misfit:
                    raise misfit.at(f".{key}") from None
            elif required:
                raise Misfit("is missing").at(f".{key}")
        try:
            return cls(**values)
        except ValueError as error:
            raise Misfit(str(error)) from error

    return read


def _reader(hint: Any) -> Reader:
    meant = form(hint)
    if meant.kind == "any":
        return lambda value: value
    if meant.kind == "object":
        return _nested(meant.python)
    return _MAKERS[meant.kind](meant)


def _nested(cls: Any) -> Reader:
    """Looks its reader up at the first use: a class may hold instances of itself."""
    return lambda value: value if isinstance(value, cls) else _object(cls)(value)


def _union(meant: Form) -> Reader:
    readers = [_reader(choice) for choice in meant.arguments]
    last = readers.pop()

    def read(value: Any) -> Any:
        if value is None:
            if meant.nullable:
                return None
            raise Misfit("must not be null")
        for reader in readers:
            try:
                return reader(value)
            except Misfit:
                continue
        return last(value)

    return read


def _literal(meant: Form) -> Reader:
    def read(value: Any) -> Any:
        for allowed in meant.arguments:
            if value == allowed and isinstance(value, bool) == isinstance(allowed, bool):
                return allowed
        raise Misfit(f"must be one of {', '.join(map(str, meant.arguments))}")

    return read


def _list(meant: Form) -> Reader:
    make, item = meant.python, _reader(meant.arguments[0])

    def read(value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            raise Misfit(f"must be an array, not {name_of(value)}")
        made: list[Any] = []
        try:
            for element in value:
                made.append(item(element))
        except Misfit as misfit:
            raise misfit.at(f"[{len(made)}]") from None
        return made if make is list else make(made)

    return read


def _dict(meant: Form) -> Reader:
    read_key, read_item = (_reader(argument) for argument in meant.arguments)

    def read(value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise Misfit(f"must be an object, not {name_of(value)}")
        made = {}
        for key, item in value.items():
            try:
                made[read_key(key)] = read_item(item)
            except Misfit as misfit:
                raise misfit.at(f".{key}") from None
        return made

    return read


def _scalar(meant: Form) -> Reader:
    hint = meant.python

    def read(value: Any) -> Any:
        if isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool):
            if hint is datetime and value.tzinfo is None:
                raise Misfit("has no time zone")
            if hint is Decimal and not value.is_finite():
                raise Misfit("is not a finite number")
            if hint is not date or not isinstance(value, datetime):
                return value
        try:
            return _converted(hint, value)
        except (ValueError, InvalidOperation, OverflowError):
            raise Misfit(f"cannot be read as {hint.__name__}: {value!r:.80}") from None

    return read


def _converted(hint: Any, value: Any) -> Any:
    """Raises ValueError or InvalidOperation when the value is no ``hint``."""
    if isinstance(value, str):
        if hint is UUID or issubclass(hint, Enum):
            return hint(value)
        if hint in (date, datetime):
            moment = hint.fromisoformat(value)
            if hint is datetime and moment.tzinfo is None:
                raise ValueError("no time zone")
            return moment
        if hint is Decimal:
            return _finite(Decimal(value))
    elif isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        if hint is Decimal:
            return _finite(Decimal(str(value)))
        if hint is float:
            return float(value)
        if hint is int and value == int(value):
            return int(value)
        if issubclass(hint, Enum):
            return hint(value)
    raise ValueError("wrong type")


def _finite(number: Decimal) -> Decimal:
    if not number.is_finite():
        raise ValueError("not finite")
    return number


_MAKERS: dict[str, Callable[[Form], Reader]] = {
    "union": _union,
    "literal": _literal,
    "list": _list,
    "dict": _dict,
    "scalar": _scalar,
    "enum": _scalar,
}
