"""Writes a dataclass as a message's data, and refuses values that could not be read back.

Python does not check annotations, and JSON lacks many of its types. Each consumer would find a wrong
value for itself, after the producer has committed. A writer is built once per class.
"""

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from math import isfinite
from typing import Any
from uuid import UUID

from django.utils.functional import Promise

from atoll.wire.annotations import Form, Misfit, form, name_of, payload_fields
from atoll.wire.errors import WireError
from atoll.wire.reading import MAX_DEPTH, MAX_INTEGER, MAX_NUMBER_CHARS, MIN_INTEGER, read_number
from atoll.wire.writing import timestamp

# Writes a value, or raises Misfit. The number is that of the levels of nesting left.
Writer = Callable[[Any, int], Any]

SAFE_EXPONENT = 300  # shorter numbers are within a double's range
SMALLEST_FLOAT = 10.0**-SAFE_EXPONENT


def checked_payload(instance: Any, *, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Like ``to_payload``, but refuses values that a reader would not get back. Times have milliseconds.

    Raises SchemaError naming the field by its path on the wire, and Misuse for an
    annotation that has no form there. ``Any`` stands for every value of JSON.
    """
    try:
        written: dict[str, Any] = _object(instance.__class__)(instance, max_depth)
    except Misfit as misfit:
        raise misfit.as_schema_error() from None
    return written


def checked_data(data: Mapping[str, Any], *, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """A dict as it is on the wire. Raises SchemaError like ``checked_payload``."""
    try:
        written: dict[str, Any] = _write_any(data, max_depth)
    except Misfit as misfit:
        raise misfit.as_schema_error() from None
    return written


@cache
def _object(cls: Any) -> Writer:
    plan = [(field.key, field.name, _writer(field.hint)) for field in payload_fields(cls)]

    def write(value: Any, room: int) -> dict[str, Any]:
        _enter(room)
        made = {}
        for key, name, writer in plan:
            try:
                made[key] = writer(getattr(value, name), room - 1)
            except Misfit as misfit:
                raise misfit.at(f".{key}") from None
        return made

    return write


def _writer(hint: Any) -> Writer:
    meant = form(hint)
    if meant.kind == "any":
        return _write_any
    if meant.kind == "scalar":
        return _SCALARS[meant.python]
    return _MAKERS[meant.kind](meant)


def _nested(meant: Form) -> Writer:
    def write(value: Any, room: int) -> Any:
        if not isinstance(value, meant.python):
            raise Misfit(f"must be a {meant.python.__name__}, not {name_of(value)}")
        return _object(value.__class__)(value, room)

    return write


def _union(meant: Form) -> Writer:
    writers = [_writer(choice) for choice in meant.arguments]
    last = writers.pop()

    def write(value: Any, room: int) -> Any:
        if value is None and meant.nullable:
            return None
        for writer in writers:
            try:
                return writer(value, room)
            except Misfit:
                continue
        return last(value, room)

    return write


def _literal(meant: Form) -> Writer:
    def write(value: Any, room: int) -> Any:
        for allowed in meant.arguments:
            # Only values of its own type are compared: a signalling NaN, say, refuses any comparison.
            if (
                isinstance(value, type(allowed))
                and isinstance(value, bool) == isinstance(allowed, bool)
                and value == allowed
            ):
                return allowed
        raise Misfit(f"must be one of {', '.join(map(str, meant.arguments))}, not {value!r:.80}")

    return write


def _enum(meant: Form) -> Writer:
    def write(value: Any, room: int) -> Any:
        if not isinstance(value, meant.python):
            raise Misfit(f"must be a {meant.python.__name__}, not {name_of(value)}")
        return value.value

    return write


def _list(meant: Form) -> Writer:
    item = _writer(meant.arguments[0])

    def write(value: Any, room: int) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise Misfit(f"must be a list, not {name_of(value)}")
        return _items(value, item, room)

    return write


def _dict(meant: Form) -> Writer:
    write_key, write_item = (_writer(argument) for argument in meant.arguments)

    def write(value: Any, room: int) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise Misfit(f"must be a dict, not {name_of(value)}")
        return _entries(value, write_key, write_item, room)

    return write


def _items(values: Any, write: Writer, room: int) -> list[Any]:
    _enter(room)
    made: list[Any] = []
    try:
        for element in values:
            made.append(write(element, room - 1))
    except Misfit as misfit:
        raise misfit.at(f"[{len(made)}]") from None
    return made


def _entries(values: Mapping[Any, Any], write_key: Writer, write_item: Writer, room: int) -> dict[str, Any]:
    _enter(room)
    made = {}
    for key, item in values.items():
        try:
            written = write_key(key, room)
            if not isinstance(written, str):
                raise Misfit(f"has the key {key!r:.80}, which is no text")
            made[written] = write_item(item, room - 1)
        except Misfit as misfit:
            raise misfit.at(f".{key}") from None
    return made


def _enter(room: int) -> None:
    if room <= 0:
        raise Misfit(f"nests deeper than the {MAX_DEPTH} levels that a reader accepts")


def _write_any(value: Any, room: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    for python, writer in _SCALARS.items():
        if isinstance(value, python) and not isinstance(value, Enum):
            return writer(value, room)
    if isinstance(value, Enum):
        return _write_any(value.value, room)
    if isinstance(value, Promise):
        return _text(value, room)
    if isinstance(value, Mapping):
        return _entries(value, _write_any, _write_any, room)
    if isinstance(value, (list, tuple, set, frozenset)):
        return _items(value, _write_any, room)
    if is_dataclass(value) and not isinstance(value, type):
        return _object(value.__class__)(value, room)
    raise Misfit(f"{name_of(value)} cannot be written as JSON")


def _text(value: Any, room: int) -> str:
    text: str = value if type(value) is str else _plain_text(value)
    if "\0" in text:
        raise Misfit("contains the NUL character")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise Misfit("contains half a surrogate pair")
    return text


def _plain_text(value: Any) -> str:
    """The plain text of Django's lazy texts, marked-safe texts and members of text enumerations."""
    if not isinstance(value, (str, Promise)):
        raise Misfit(f"must be a str, not {name_of(value)}")
    return str(value.value) if isinstance(value, Enum) else str(value)


def _integer(value: Any, room: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Misfit(f"must be an int, not {name_of(value)}")
    if not MIN_INTEGER <= value <= MAX_INTEGER:
        raise Misfit("does not fit into 64 bits")
    return int(value)


def _float(value: Any, room: int) -> float:
    if isinstance(value, int):
        return _integer(value, room)
    if not isinstance(value, float):
        raise Misfit(f"must be a float, not {name_of(value)}")
    if not isfinite(value):
        raise Misfit(f"is {value}, for which JSON has no number")
    if value and abs(value) < SMALLEST_FLOAT:
        _check_number(repr(value))
    return value


def _decimal(value: Any, room: int) -> Decimal | int:
    if isinstance(value, int):
        return _integer(value, room)
    if not isinstance(value, Decimal):
        raise Misfit(f"must be a Decimal, not {name_of(value)}")
    if not value.is_finite():
        raise Misfit(f"is {value}, for which JSON has no number")
    digits = str(value)
    if len(digits) > MAX_NUMBER_CHARS or not -SAFE_EXPONENT < value.adjusted() < SAFE_EXPONENT:
        _check_number(digits)
    return value


def _check_number(digits: str) -> None:
    try:
        read_number(digits)
    except WireError as error:
        raise Misfit(error.message) from None


def _boolean(value: Any, room: int) -> bool:
    if not isinstance(value, bool):
        raise Misfit(f"must be a bool, not {name_of(value)}")
    return value


def _uuid(value: Any, room: int) -> str:
    if not isinstance(value, UUID):
        raise Misfit(f"must be a UUID, not {name_of(value)}")
    return str(value)


def _datetime(value: Any, room: int) -> str:
    if not isinstance(value, datetime):
        raise Misfit(f"must be a datetime, not {name_of(value)}")
    if value.utcoffset() is None:
        raise Misfit("has no time zone")
    return timestamp(value)


def _date(value: Any, room: int) -> str:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Misfit(f"must be a date, not {name_of(value)}")
    return value.isoformat()


# `Any` tries these in order: a datetime is also a date.
_SCALARS: dict[type, Writer] = {
    str: _text,
    bool: _boolean,
    int: _integer,
    float: _float,
    Decimal: _decimal,
    UUID: _uuid,
    datetime: _datetime,
    date: _date,
}
_MAKERS: dict[str, Callable[[Form], Writer]] = {
    "object": _nested,
    "union": _union,
    "literal": _literal,
    "enum": _enum,
    "list": _list,
    "dict": _dict,
}
