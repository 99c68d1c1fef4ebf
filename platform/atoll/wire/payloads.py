"""From a message's data to a dataclass: a tolerant reader.

It asks for what the class names and ignores the rest, so that a producer may add
fields without breaking a consumer that was there before.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from atoll.wire.errors import SchemaError
from atoll.wire.names import camel

T = TypeVar("T")


def from_payload(cls: type[T], data: Mapping[str, Any]) -> T:
    """An instance of the dataclass from a camelCase dict; fields it does not name are ignored.

    Reads UUID, Decimal, datetime (with a zone), date, int, float, str, bool, Enum,
    Literal, Any, ``list``/``tuple``/``dict`` of these, nested dataclasses and
    ``X | None``. A missing field takes its default; ``X | None`` without one is required too.
    Raises SchemaError naming the field by its path on the wire.
    """
    made: T = _instance(cls, data, "")
    return made


@cache
def _plan(cls: type) -> list[tuple[Field[Any], Any]]:
    hints = get_type_hints(cls)
    return [(field, hints[field.name]) for field in fields(cls) if field.init]


def _instance(cls: Any, data: Any, path: str) -> Any:
    if not isinstance(data, Mapping):
        raise SchemaError(path or "data", f"must be an object, not {_name(data)}")
    values = {}
    for field, hint in _plan(cls):
        key = camel(field.name)
        where = f"{path}.{key}" if path else key
        if key in data:
            values[field.name] = _read(hint, data[key], where)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise SchemaError(where, "is missing")
    return cls(**values)


def _read(hint: Any, value: Any, path: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _read_union(arguments, value, path)
    if origin is Literal:
        if value not in arguments:
            raise SchemaError(path, f"must be one of {', '.join(map(str, arguments))}")
        return value
    if origin in (list, tuple) or hint in (list, tuple):
        return _read_items(origin or hint, arguments, value, path)
    if origin is dict or hint is dict:
        return _read_dict(arguments, value, path)
    if is_dataclass(hint):
        return value if isinstance(value, hint) else _instance(hint, value, path)  # type: ignore[arg-type]
    return _read_scalar(hint, value, path)


def _read_union(arguments: tuple[Any, ...], value: Any, path: str) -> Any:
    if value is None:
        if types.NoneType in arguments:
            return None
        raise SchemaError(path, "must not be null")
    choices = [choice for choice in arguments if choice is not types.NoneType]
    for choice in choices[:-1]:
        try:
            return _read(choice, value, path)
        except SchemaError:
            continue
    return _read(choices[-1], value, path)


def _read_items(kind: Any, arguments: tuple[Any, ...], value: Any, path: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise SchemaError(path, f"must be an array, not {_name(value)}")
    item = arguments[0] if arguments else Any
    return kind(_read(item, element, f"{path}[{index}]") for index, element in enumerate(value))


def _read_dict(arguments: tuple[Any, ...], value: Any, path: str) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise SchemaError(path, f"must be an object, not {_name(value)}")
    key_hint, item_hint = arguments or (Any, Any)
    return {
        _read(key_hint, key, path): _read(item_hint, item, f"{path}.{key}") for key, item in value.items()
    }


def _read_scalar(hint: Any, value: Any, path: str) -> Any:
    if isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool):
        if isinstance(value, datetime) and value.tzinfo is None:
            raise SchemaError(path, "has no time zone")
        if isinstance(value, Decimal) and not value.is_finite():
            raise SchemaError(path, "is not a finite number")
        return value
    try:
        return _converted(hint, value)
    except (ValueError, InvalidOperation, OverflowError):
        raise SchemaError(path, f"cannot be read as {hint.__name__}: {value!r:.80}") from None


def _converted(hint: Any, value: Any) -> Any:
    """Raises ValueError or InvalidOperation when the value does not stand for one of ``hint``."""
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


def _name(value: Any) -> str:
    return "null" if value is None else type(value).__name__
