"""Reads the AsyncAPI document of another repository. Nothing in it is trusted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from atoll import wire
from atoll.bus.schemas.definitions import NAME, Definition
from atoll.errors import Misuse

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
MAX_NAME = 255
MAX_SUMMARY = 2000
MAX_VERSION = 2**31 - 1
SHOWN = 80

KEYWORDS = frozenset(
    {
        "additionalProperties", "anyOf", "default", "deprecated", "description", "enum", "format", "items",
        "properties", "propertyNames", "required", "title", "type",
    }
)  # fmt: skip
TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
FLAGS = ("deprecated", "superseded", "foreign", "outside")


@dataclass(frozen=True)
class ForeignDocument:
    """The definitions of a document, and the messages that its services handle: service, kind, name."""

    source: str
    definitions: list[Definition]
    handled: frozenset[tuple[str, str, str]]

    @property
    def services(self) -> set[str]:
        """The names on the wire of the services that the document describes."""
        announcing = {
            name for one in self.definitions if not one.foreign for name in (one.service, *one.announcers)
        }
        return announcing | {service for service, _, _ in self.handled}


class _Unfit(Exception):
    """A place of the document that Atoll did not write; the text names the place."""


def shown(value: object) -> str:
    """A foreign value for a person: short, and without characters that a terminal obeys."""
    return ascii(value if isinstance(value, str) else repr(value))[:SHOWN]


def read(raw: bytes, source: str) -> ForeignDocument:
    """Raises Misuse for bytes that are not a document of messages that Atoll wrote.

    A schema has only the keywords that Atoll writes, in the forms that Atoll gives them, so that the checks
    and the generators need not expect others.
    """
    try:
        document = _object(wire.loads(raw, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH), "the document")
        if not str(document.get("asyncapi", "")).startswith("3."):
            raise _Unfit("the document has no `asyncapi: 3.…`")
        messages = _object(_object(document.get("components"), "components").get("messages"), "messages")
        found = {key: _definition(_object(message, key), key) for key, message in messages.items()}
        if len({one.key for one in found.values()}) != len(found):
            raise _Unfit("two messages have the same kind, addressee, name and version")
        handled = frozenset(_handled(_object(document.get("operations", {}), "operations"), found))
    except wire.WireError as error:
        raise Misuse(f"{source} is no AsyncAPI document: {error.message}") from error
    except _Unfit as unfit:
        raise Misuse(f"{source} is no AsyncAPI document that Atoll wrote: {unfit}.") from unfit
    return ForeignDocument(source, sorted(found.values(), key=lambda one: one.key), handled)


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _Unfit(f"{shown(where)} is no object")
    return value


def _definition(message: dict[str, Any], key: str) -> Definition:
    facts = _object(message.get("x-atoll"), f"{key}.x-atoll")
    where = f"message {shown(key)}"
    kind = facts.get("kind")
    if kind not in ("event", "command"):
        raise _Unfit(f"{where} is neither an event nor a command")
    name, version = facts.get("name"), facts.get("version")
    if not isinstance(name, str) or len(name) > MAX_NAME or not NAME.fullmatch(name):
        raise _Unfit(f"{where} has the name {shown(name)}")
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version <= MAX_VERSION:
        raise _Unfit(f"{where} has the version {shown(version)}")
    to = _text(facts.get("to", ""), where, "to")
    if bool(to) != (kind == "command"):
        raise _Unfit(f"{where} is {kind} and is addressed to {shown(to)}")
    payload = _object(message.get("payload"), f"{key}.payload")
    properties = _object(payload.get("properties"), f"{key}.payload.properties")
    schema = _object(properties.get("data"), f"{key}.data")
    _check_schema(schema, f"{where}, data")
    if "properties" not in schema:
        raise _Unfit(f"{where} has data without `properties`")
    return Definition(
        kind=kind,
        name=name,
        version=version,
        schema=schema,
        service=_text(facts.get("service"), where, "service"),
        to=to,
        summary=_text(message.get("summary", ""), where, "summary", MAX_SUMMARY),
        senders=_texts(facts.get("senders", []), where, "senders"),
        subject=_text(facts.get("subject", ""), where, "subject"),
        personal=_texts(facts.get("personal", []), where, "personal"),
        **{flag: facts.get(flag) is True for flag in FLAGS},
    )


def _text(value: Any, where: str, what: str, most: int = MAX_NAME) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise _Unfit(f"{where}: `{what}` must be a text of at most {most} characters")
    return value


def _texts(value: Any, where: str, what: str) -> list[str]:
    if not isinstance(value, list):
        raise _Unfit(f"{where}: `{what}` must be an array")
    return [_text(item, where, what) for item in value]


def _check_schema(schema: Any, where: str) -> None:
    schema = _object(schema, where)
    if unknown := sorted(set(schema) - KEYWORDS):
        raise _Unfit(f"{where} has {shown(unknown[0])}, a keyword that Atoll does not write")
    types = schema.get("type", [])
    named = [types] if isinstance(types, str) else types
    if not isinstance(named, list) or not all(isinstance(one, str) and one in TYPES for one in named):
        raise _Unfit(f"{where} has the type {shown(types)}")
    for keyword in ("format", "title", "description"):
        if keyword in schema:
            _text(schema[keyword], where, keyword, MAX_SUMMARY)
    if "array" in named and "items" not in schema:
        raise _Unfit(f"{where} is an array without `items`")
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if keyword in schema:
            _check_schema(schema[keyword], f"{where}.{keyword}")
    for name, inner in _object(schema.get("properties", {}), f"{where}.properties").items():
        if not name or len(name) > MAX_NAME:
            raise _Unfit(f"{where} has a field with the name {shown(name)}")
        _check_schema(inner, f"{where}.{shown(name)}")
    _texts(schema.get("required", []), where, "required")
    if "anyOf" in schema:
        if not isinstance(schema["anyOf"], list) or not schema["anyOf"]:
            raise _Unfit(f"{where}: `anyOf` must be an array of schemas")
        for inner in schema["anyOf"]:
            _check_schema(inner, where)
    if "enum" in schema:
        values = schema["enum"]
        if not isinstance(values, list) or not values:
            raise _Unfit(f"{where}: `enum` must be an array of values")
        if not all(value is None or isinstance(value, (str, int)) for value in values):
            raise _Unfit(f"{where}: `enum` has a value that is neither text nor whole number")


def _handled(operations: dict[str, Any], known: dict[str, Definition]) -> Iterator[tuple[str, str, str]]:
    for key, made in operations.items():
        operation = _object(made, key)
        if operation.get("action") != "receive":
            continue
        tags, messages = operation.get("tags"), operation.get("messages")
        if not isinstance(tags, list) or not isinstance(messages, list) or not tags:
            raise _Unfit(f"operation {shown(key)} lacks `tags` or `messages`")
        service = _text(_object(tags[0], key).get("name"), f"operation {shown(key)}", "tags")
        for reference in messages:
            step = str(_object(reference, key).get("$ref", "")).rpartition("/")[2]
            definition = known.get(step.replace("~1", "/").replace("~0", "~"))
            if definition is None:
                raise _Unfit(f"operation {shown(key)} refers to {shown(step)}, which is no message")
            yield service, definition.kind, definition.name
