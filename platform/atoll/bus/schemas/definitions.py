"""What one project says on the bus and what it reads, as data that other processes can compare."""

import importlib
import inspect
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from types import ModuleType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import module_has_submodule

from atoll.bus import payloads, upcasting
from atoll.bus.handlers import registry
from atoll.bus.handlers.registry import Kind
from atoll.bus.schemas import json_schema
from atoll.bus.schemas.json_schema import Schema
from atoll.errors import Misuse
from atoll.wire.annotations import payload_fields

# Every message carries this in its data, beside what its class names.
SENT_AT = {"timestamp": {"type": "string", "format": "date-time"}}


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One version of one event or command.

    ``service`` defines it. ``senders`` announce it, by their names on the wire; empty means that
    ``service`` does. Where ``foreign``, ``service`` is none of them and only declares what it reads.
    ``to`` is a command's addressee, which no project is where ``outside``.
    ``personal`` fields tell about a person, whose account ``subject`` names; both as on the wire.
    ``superseded``: only a newer version is announced, but messages of this one may
    still wait somewhere.
    """

    kind: Kind
    name: str
    version: int
    schema: Schema
    service: str
    to: str = ""
    summary: str = ""
    deprecated: bool = False
    superseded: bool = False
    foreign: bool = False
    outside: bool = False
    senders: list[str] = field(default_factory=list)
    subject: str = ""
    personal: list[str] = field(default_factory=list)

    @property
    def announcers(self) -> list[str]:
        """Who may announce it, sorted; nobody else may."""
        return sorted(set(self.senders)) or [self.service]

    @property
    def message(self) -> tuple[Kind, str, str]:
        """What its versions have in common."""
        return self.kind, self.to, self.name

    @property
    def key(self) -> tuple[Kind, str, str, int]:
        return *self.message, self.version

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one handler reads: events of a type or pattern, or a command. ``schema`` None: anything."""

    handler: str
    kind: Kind
    name: str
    version: int
    schema: Schema | None
    payload: str
    deprecated: bool = False


@dataclass(frozen=True, kw_only=True)
class Messages:
    """One service's part: what it announces, what it reads, and from which versions it upcasts."""

    service: str
    announces: list[Definition]
    reads: list[Reading]
    upcasts: dict[str, list[int]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Messages":
        return cls(
            service=data["service"],
            announces=[Definition(**item) for item in data["announces"]],
            reads=[Reading(**item) for item in data["reads"]],
            upcasts=data["upcasts"],
        )


def of_this_project() -> Messages:
    """Raises Misuse for a class without a form on the wire, naming it."""
    readings = [_reading(handler) for handler in registry.handlers()]
    upcasts = {name: upcasting.versions(name) for name in upcasting.names()}
    return Messages(
        service=settings.ATOLL_SERVICE,
        announces=announced(event_modules(), settings.ATOLL_SERVICE),
        reads=sorted(readings, key=lambda reading: (reading.kind, reading.name, reading.handler)),
        upcasts=upcasts,
    )


def event_modules() -> list[ModuleType]:
    """The ``events`` module of every app that has one."""
    return [
        importlib.import_module(f"{app.name}.events")
        for app in apps.get_app_configs()
        if app.module and module_has_submodule(app.module, "events")
    ]


def announced(modules: Iterable[ModuleType], service: str) -> list[Definition]:
    """A definition for every dataclass with a class variable ``type`` or ``command``, sorted."""
    found: dict[Any, Definition] = {}
    for cls in classes(modules):
        for definition in _definitions(cls, service):
            other = found.setdefault(definition.key, definition)
            if plain(other.schema) != plain(definition.schema):
                raise Misuse(f"Two classes define {definition} differently; {cls.__name__} is one of them.")
    return sorted(found.values(), key=lambda definition: definition.key)


def classes(modules: Iterable[ModuleType]) -> list[type]:
    """The payload classes that modules define themselves."""
    return [
        item
        for module in modules
        for item in vars(module).values()
        if json_schema.is_payload(item) and item.__module__ == module.__name__
    ]


def class_of(event_type: str) -> type | None:
    """The class by which this project announces an event; that of the newest version."""
    held = [cls for cls in classes(event_modules()) if getattr(cls, "type", None) == event_type]
    return max(held, key=payloads.version_of, default=None)


def senders_of(cls: type) -> tuple[str, ...]:
    """Who announces what a class defines, by its class variable ``senders``; empty where it has none.

    Raises Misuse when that is no tuple of names.
    """
    senders = getattr(cls, "senders", ())
    if not isinstance(senders, tuple) or not all(isinstance(name, str) and name for name in senders):
        raise Misuse(
            f"{cls.__name__}.senders is {senders!r}; it must be a tuple of services' names on the wire, "
            'such as ("legacy-erp",).'
        )
    return senders


def personal_of(cls: type) -> tuple[str, list[str]]:
    """On the wire: the field that names the account, by the class variable ``subject`` ("user_id" when left
    out), and those that tell about its person, by ``personal``.

    Raises Misuse for a name that is no field of the class.
    """
    personal = getattr(cls, "personal", ())
    if not personal:
        return "", []
    keys = {field.name: field.key for field in payload_fields(cls)}
    subject = getattr(cls, "subject", "user_id")
    if not isinstance(personal, tuple) or not {subject, *personal} <= keys.keys():
        raise Misuse(
            f"{cls.__name__}.personal is {personal!r}; it must be a tuple of fields of the class, which also "
            f"has {subject!r}, the id of the account, or names that by its class variable `subject`."
        )
    return keys[subject], sorted(keys[name] for name in personal)


def plain(schema: Any) -> Any:
    """A schema without what is only for people: two that are equal then mean the same."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    bare = {key: value for key, value in schema.items() if key not in json_schema.FOR_PEOPLE}
    named = bare.get("properties")
    made = {key: plain(value) for key, value in bare.items() if key not in ("properties", "required", "enum")}
    if named is not None:
        made["properties"] = {key: plain(value) for key, value in named.items()}
    for unordered in ("required", "enum"):
        if unordered in bare:
            made[unordered] = sorted(bare[unordered], key=repr)
    return made


def superseded_by(definitions: Iterable[Definition], earlier: Iterable[Definition]) -> list[Definition]:
    """Of earlier definitions those that are announced no more, but a newer version is; marked so."""
    newest: dict[Any, int] = {}
    for definition in definitions:
        newest[definition.message] = max(definition.version, newest.get(definition.message, 0))
    held = {definition.key for definition in definitions}
    return [
        replace(old, superseded=True)
        for old in earlier
        if old.key not in held and old.version < newest.get(old.message, 0)
    ]


def _definitions(cls: type, service: str) -> Iterable[Definition]:
    schema = json_schema.of_class(cls)
    schema["properties"] = schema["properties"] | SENT_AT
    schema["required"] = [*schema.get("required", []), *SENT_AT]
    senders = senders_of(cls)
    subject, personal = personal_of(cls)
    facts: dict[str, Any] = {
        "version": payloads.version_of(cls),
        "schema": schema,
        "service": service,
        "senders": list(senders or (service,)),
        "foreign": bool(senders) and service not in senders,
        "subject": subject if personal else "",
        "personal": personal,
        "summary": _summary(cls),
        "deprecated": bool(getattr(cls, "deprecated", False)),
    }
    if isinstance(event := getattr(cls, "type", None), str):
        yield Definition(kind="event", name=event, **facts)
    if isinstance(command := getattr(cls, "command", None), str):
        # One without an address is a timer that the service sets for itself.
        to = getattr(cls, "to", None) or service
        outside = bool(getattr(cls, "outside", False))
        yield Definition(kind="command", name=command, to=to, outside=outside, **facts)


def _reading(handler: registry.Handler) -> Reading:
    cls = handler.payload_type
    try:
        schema = None if payloads.takes_anything(cls) else json_schema.of_class(cls)
    except Misuse as error:
        raise Misuse(f"{handler.id}: {error}") from error
    return Reading(
        handler=handler.id,
        kind=handler.kind,
        name=handler.name,
        version=payloads.version_of(cls),
        schema=schema,
        payload=getattr(cls, "__name__", str(cls)),
        deprecated=bool(getattr(cls, "deprecated", False)),
    )


def _summary(cls: type) -> str:
    """The first paragraph of the docstring; ``dataclass`` writes one of its own where there is none."""
    text = inspect.getdoc(cls) or ""
    return "" if text.startswith(f"{cls.__name__}(") else " ".join(text.split("\n\n")[0].split())
