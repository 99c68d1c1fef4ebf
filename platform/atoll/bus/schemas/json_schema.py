"""JSON Schemas (draft 7, as in AsyncAPI 3) of payload classes.

The data that a class writes is valid under its schema, and the class can read all valid data.
"""

from dataclasses import is_dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from atoll import wire
from atoll.errors import Misuse
from atoll.wire.annotations import Form, PayloadField, form, payload_fields

Schema = dict[str, Any]

# JSON Schema's annotation keywords, which do not affect validation.
ANNOTATIONS = {"title", "description", "default", "deprecated"}

SCALARS: dict[type, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number", "format": "double"},
    Decimal: {"type": "number", "format": "decimal"},
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
}


def of_class(cls: type) -> Schema:
    """Return the schema of a dataclass. Raises Misuse for a class without one.

    A field with a default is optional. Additional fields are allowed.
    """
    return _object(cls, ())


def _object(cls: type, inside: tuple[type, ...]) -> Schema:
    if cls in inside:
        raise Misuse(f"{cls.__name__} holds instances of itself: its definition would have no end.")
    properties: Schema = {}
    for field in payload_fields(cls):
        try:
            properties[field.key] = _property(field, (*inside, cls))
        except Misuse as error:
            raise Misuse(f"{cls.__name__}.{field.name}: {error}") from error
    required = [field.key for field in payload_fields(cls) if field.required]
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def _property(field: PayloadField, inside: tuple[type, ...]) -> Schema:
    schema = _schema(field.hint, inside)
    if field.required:
        return schema
    default = field.make_default() if field.make_default else field.default
    written = wire.loads(wire.dumps(wire.checked_data({"default": default})))["default"]
    return schema | {"default": _with_floats(written)}


def _with_floats(value: Any) -> Any:
    """The value with floats for Decimals, which the standard library's JSON writes."""
    if isinstance(value, dict):
        return {key: _with_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_floats(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def _schema(hint: Any, inside: tuple[type, ...]) -> Schema:
    meant = form(hint)
    if meant.kind == "any":
        return {}
    if meant.kind == "scalar":
        return dict(SCALARS[meant.python])
    if meant.kind == "object":
        return {"title": meant.python.__name__} | _object(meant.python, inside)
    if meant.kind == "enum":
        return _one_of([member.value for member in meant.python])
    if meant.kind == "literal":
        return _one_of(list(meant.arguments))
    if meant.kind == "list":
        return {"type": "array", "items": _schema(meant.arguments[0], inside)}
    if meant.kind == "dict":
        return _dict(meant, inside)
    return _union(meant, inside)


def _one_of(values: list[Any]) -> Schema:
    types = {bool: "boolean", int: "integer", str: "string"}
    found = sorted({types[type(value)] for value in values if type(value) in types})
    return ({"type": found[0]} if len(found) == 1 else {}) | {"enum": values}


def _dict(meant: Form, inside: tuple[type, ...]) -> Schema:
    key, item = (_schema(argument, inside) for argument in meant.arguments)
    names = {} if key in ({}, SCALARS[str]) else {"propertyNames": key}
    return {"type": "object"} | names | {"additionalProperties": item}


def _union(meant: Form, inside: tuple[type, ...]) -> Schema:
    choices = [_schema(choice, inside) for choice in meant.arguments]
    if {} in choices and meant.nullable:
        return {}
    if meant.nullable and len(choices) == 1 and meant.arguments[0] in SCALARS:
        return choices[0] | {"type": [choices[0]["type"], "null"]}
    return {"anyOf": [*choices, *([{"type": "null"}] if meant.nullable else [])]}


def is_payload(cls: Any) -> bool:
    """Whether a handler's annotation or an object in ``events.py`` is a class with a schema."""
    return isinstance(cls, type) and is_dataclass(cls)
