"""The messages that one project announces and reads, as data that other processes can compare."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from types import ModuleType
from typing import Any

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from atoll import conf
from atoll.bus import payloads, upcasting
from atoll.bus.handlers import registry
from atoll.bus.handlers.registry import Kind
from atoll.bus.schemas import json_schema
from atoll.bus.schemas.json_schema import Schema
from atoll.errors import Misuse
from atoll.wire.annotations import payload_fields

# Of an event type or a command.
NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
# Every message carries this field in its data, in addition to the fields of its class.
SENT_AT = {"timestamp": {"type": "string", "format": "date-time"}}


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One version of one event or command.

    ``service`` defines it. ``senders`` are the names on the wire of the services that announce it;
    when empty, ``service`` announces it. A ``foreign`` definition only declares a message of other
    senders that ``service`` reads. ``to`` is the addressee of a command; with ``outside``, the
    addressee is not a service of the platform. ``personal`` fields contain a person's data, and
    the field ``subject`` the id of the person's account; both are names on the wire. Of a
    ``superseded`` version no new message is announced, but old messages can still wait.
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
        """The sorted names of the services that may announce it. No other service may."""
        return sorted(set(self.senders)) or [self.service]

    @property
    def message(self) -> tuple[Kind, str, str]:
        """The kind, addressee and name, which all versions share."""
        return self.kind, self.to, self.name

    @property
    def key(self) -> tuple[Kind, str, str, int]:
        return *self.message, self.version

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """The events of one type or pattern, or the command, that one handler reads.

    Without a ``schema`` the handler reads any data.
    """

    handler: str
    kind: Kind
    name: str
    version: int
    schema: Schema | None
    payload: str
    deprecated: bool = False


@dataclass(frozen=True, kw_only=True)
class ServiceMessages:
    """The messages of one service: the definitions that it announces, its subscriptions, and the versions
    from which it has upcasters."""

    service: str
    announces: list[Definition]
    reads: list[Subscription]
    upcasts: dict[str, list[int]]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "ServiceMessages":
        return cls(
            service=data["service"],
            announces=[Definition(**item) for item in data["announces"]],
            reads=[Subscription(**item) for item in data["reads"]],
            upcasts=data["upcasts"],
        )


def of_this_project() -> ServiceMessages:
    """Return this project's messages. Raises Misuse with the name of a class without a wire form."""
    subscriptions = [_subscription(handler) for handler in registry.handlers()]
    upcasts = {name: upcasting.versions(name) for name in upcasting.names()}
    return ServiceMessages(
        service=conf.service_name(),
        announces=announced(event_modules(), conf.service_name()),
        reads=sorted(
            subscriptions,
            key=lambda subscription: (subscription.kind, subscription.name, subscription.handler),
        ),
        upcasts=upcasts,
    )


def event_modules() -> list[ModuleType]:
    """Return the ``events`` module of every app that has one; of a package, its modules, too."""
    found = [
        importlib.import_module(f"{app.name}.events")
        for app in apps.get_app_configs()
        if app.module and module_has_submodule(app.module, "events")
    ]
    inner = [
        importlib.import_module(f"{package.__name__}.{module.name}")
        for package in found
        for module in pkgutil.iter_modules(getattr(package, "__path__", ()))
    ]
    return found + inner


def announced(modules: Iterable[ModuleType], service: str) -> list[Definition]:
    """Return a definition of every dataclass with a class variable ``type`` or ``command``, sorted."""
    found: dict[Any, Definition] = {}
    for cls in classes(modules):
        for definition in _definitions(cls, service):
            other = found.setdefault(definition.key, definition)
            if normalized(other.schema) != normalized(definition.schema):
                raise Misuse(f"Two classes define {definition} differently; {cls.__name__} is one of them.")
    return sorted(found.values(), key=lambda definition: definition.key)


def classes(modules: Iterable[ModuleType]) -> list[type]:
    """Return the payload classes that the modules define, without imported classes."""
    return [
        item
        for module in modules
        for item in vars(module).values()
        if json_schema.is_payload(item) and item.__module__ == module.__name__
    ]


def class_of(event_type: str) -> type | None:
    """Return this project's class of the newest version of an event, or None."""
    held = [cls for cls in classes(event_modules()) if getattr(cls, "type", None) == event_type]
    return max(held, key=payloads.version_of, default=None)


def senders_of(cls: type) -> tuple[str, ...]:
    """Return the class variable ``senders``, or an empty tuple without one.

    Raises Misuse when it is not a tuple of names.
    """
    senders = getattr(cls, "senders", ())
    if not isinstance(senders, tuple) or not all(isinstance(name, str) and name for name in senders):
        raise Misuse(
            f"{cls.__name__}.senders is {senders!r}; it must be a tuple of services' names on the wire, "
            'such as ("legacy-erp",).'
        )
    return senders


def personal_of(cls: type) -> tuple[str, list[str]]:
    """Return the wire names of the field with the account's id and of the personal fields.

    The class variables ``subject`` (default "user_id") and ``personal`` name them.
    Raises Misuse for a name that is not a field of the class.
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


def normalized(schema: Any) -> Any:
    """Return a schema without annotations and in one order: equal results mean equal validation."""
    if isinstance(schema, list):
        return [normalized(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    bare = {key: value for key, value in schema.items() if key not in json_schema.ANNOTATIONS}
    named = bare.get("properties")
    made = {
        key: normalized(value) for key, value in bare.items() if key not in ("properties", "required", "enum")
    }
    if named is not None:
        made["properties"] = {key: normalized(value) for key, value in named.items()}
    for unordered in ("required", "enum"):
        if unordered in bare:
            made[unordered] = sorted(bare[unordered], key=repr)
    return made


def superseded(definitions: Iterable[Definition], earlier: Iterable[Definition]) -> list[Definition]:
    """Return the earlier definitions that newer versions replace, marked as superseded."""
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
        # A command without an addressee is a timer that the service sets for itself.
        to = getattr(cls, "to", None) or service
        outside = bool(getattr(cls, "outside", False))
        yield Definition(kind="command", name=command, to=to, outside=outside, **facts)


def _subscription(handler: registry.Handler) -> Subscription:
    cls = handler.payload_type
    try:
        schema = None if payloads.takes_anything(cls) else json_schema.of_class(cls)
    except Misuse as error:
        raise Misuse(f"{handler.id}: {error}") from error
    return Subscription(
        handler=handler.id,
        kind=handler.kind,
        name=handler.name,
        version=payloads.version_of(cls),
        schema=schema,
        payload=getattr(cls, "__name__", str(cls)),
        deprecated=bool(getattr(cls, "deprecated", False)),
    )


def _summary(cls: type) -> str:
    """Return the first paragraph of the docstring, or "" for the docstring that ``dataclass`` generates."""
    text = inspect.getdoc(cls) or ""
    return "" if text.startswith(f"{cls.__name__}(") else " ".join(text.split("\n\n")[0].split())
