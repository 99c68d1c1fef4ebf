"""Publishing and sending: each call writes one row in the caller's transaction.

After a rollback the message does not exist. After a commit the relay publishes it.
"""

from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, overload
from uuid import UUID

from django.db import connection

from atoll import conf, context, tracing, wire
from atoll.bus import contracts, message_spans
from atoll.bus.broker import envelope
from atoll.bus.delivery import timers
from atoll.bus.handlers import registry
from atoll.bus.handlers.registry import Kind
from atoll.bus.message_types import AddressedCommand, Command, Event
from atoll.bus.outbox import store as outbox
from atoll.bus.schemas import definitions, known_names
from atoll.errors import Misuse, Refusal
from atoll.ids import uuid7
from atoll.wire.annotations import payload_fields

MAX_VERSION = 2**31 - 1
DATA_DEPTH = wire.MAX_DEPTH - 1  # the envelope is one level


def publish(event: Event, *, key: str | None = None) -> UUID:
    """Publish an event to all its subscribers. Returns the message id.

    ``event`` is a dataclass instance with a class variable ``type`` such as
    ``"order.created"`` and, from its second version on, ``version``. The relay publishes
    messages of one ``key`` in the order in which their transactions commit; for this
    order, transactions of one key wait for each other.
    Raises Misuse outside ``transaction.atomic()``; when a value does not fit its
    annotation or cannot be read back (the text names the field); and when the class
    has ``senders`` without this service.
    """
    name, version = _name_and_version(event.__class__, "type")
    return _add_to_outbox("event", name, name, _payload(event, name), version, key)


def publish_raw(event_type: str, data: dict[str, Any], *, key: str | None = None) -> UUID:
    """Publish an event from its data in wire form; otherwise like ``publish``.

    When this project's ``events.py`` defines the event, the data must fit the newest
    version of the definition; additional fields stay in the message. Otherwise the
    data goes out unchanged.
    """
    if not _is_name(event_type):
        raise Misuse(f"{event_type!r} is no event type: dotted lower case, such as 'order.created'.")
    cls = definitions.class_of(event_type)
    try:
        checked = wire.checked_data(data, max_depth=DATA_DEPTH)
        if cls:
            checked |= wire.checked_payload(wire.from_payload(cls, checked), max_depth=DATA_DEPTH)
    except Refusal as error:
        raise Misuse(f"{event_type} cannot be announced: {error.message}.") from error
    version = _name_and_version(cls, "type")[1] if cls else 1
    return _add_to_outbox("event", event_type, event_type, checked, version, key)


@overload
def send(command: AddressedCommand, *, to: str | None = None, key: str | None = None) -> UUID: ...
@overload
def send(command: Command, *, to: str, key: str | None = None) -> UUID: ...
def send(command: Command, *, to: str | None = None, key: str | None = None) -> UUID:
    """Send a command to one service, named as on the wire. Returns the message id.

    ``command`` is a dataclass instance with class variables ``command`` and, unless the
    argument ``to`` is given, ``to``. ``key`` and Misuse are as for ``publish``. Raises
    Misuse also when no service of the platform has this name, unless the class sets
    ``outside``.
    """
    name, version = _name_and_version(command.__class__, "command")
    destination = to or getattr(command, "to", None)
    if not isinstance(destination, str) or not 0 < len(destination.encode()) <= envelope.MAX_NAME_BYTES:
        raise Misuse(f"{name} names no service: give {type(command).__name__} a class variable `to`.")
    _require_service(destination, command.__class__)
    return _add_to_outbox("command", name, destination, _payload(command, name), version, key)


def schedule(command: Command, *, after: timedelta, token: str | None = None) -> UUID:
    """Set a timer: this service handles the command after ``after``. Returns the message id.

    The timer is a row in this service's database and needs no broker. It fires once,
    at most about a second late. ``token`` names the timer for ``cancel_scheduled``.
    Raises Misuse outside a transaction, when this service has no handler for the
    command, when no calendar has the time, and for bad values like ``publish``.
    """
    name, version = _name_and_version(command.__class__, "command")
    handler = registry.command_handler(name)
    if handler is None:
        handled = [one.name for one in registry.handlers() if one.kind == "command"]
        meant = known_names.suggestion(name, handled)
        raise Misuse(f"{name} cannot be scheduled: no function here handles it. {meant}".strip())
    _require_transaction(name)
    _require_text(name, "token", token or "")
    _require_calendar(name, after)
    message_id, correlation_id = uuid7(), _correlation_id()
    timers.schedule(
        message_id=message_id,
        name=name,
        handler_id=handler.id,
        body=_body("command", name, message_id, _payload(command, name), correlation_id, version),
        service_id=conf.service_name(),
        correlation_id=correlation_id,
        version=version,
        after=after,
        token=token or "",
        traceparent=message_spans.scheduled(name, message_id, correlation_id),
    )
    return message_id


def cancel_scheduled(token: str) -> int:
    """Cancel all timers named ``token`` that have not fired. Returns their number.

    Raises Misuse outside a transaction: the cancellation must commit with the change that causes it.
    """
    _require_transaction(token)
    _require_text("cancel_scheduled", "token", token)
    return timers.cancel(token)


def _add_to_outbox(
    kind: Kind, name: str, destination: str, data: dict[str, Any], version: int, key: str | None
) -> UUID:
    _require_transaction(name)
    if key is not None:
        _require_text(name, "key", key)
        if not 0 < len(key) <= envelope.MAX_ID_CHARACTERS:
            raise Misuse(f"The key of {name} must have 1 to {envelope.MAX_ID_CHARACTERS} characters.")
    message_id, correlation_id = uuid7(), _correlation_id()
    outbox.add(
        message_id=message_id,
        kind=kind,
        name=name,
        destination=destination,
        key=key or "",
        body=_body(kind, name, message_id, data, correlation_id, version),
        correlation_id=correlation_id,
        traceparent=tracing.current_header(),
    )
    return message_id


def _body(
    kind: Kind, name: str, message_id: UUID, data: dict[str, Any], correlation_id: str, version: int
) -> str:
    return envelope.build(
        kind=kind,
        name=name,
        message_id=message_id,
        data=data,
        service_id=conf.service_name(),
        correlation_id=correlation_id,
        version=version,
    )


def _correlation_id() -> str:
    return context.correlation_id() or context.new_correlation_id()


@cache
def _name_and_version(cls: type, variable: str) -> tuple[str, int]:
    """Return the message name and version of a payload class. Raises Misuse for an unfit class."""
    name, version = getattr(cls, variable, None), getattr(cls, "version", 1)
    if not isinstance(name, str) or not _is_name(name):
        raise Misuse(
            f"{cls.__name__} needs a class variable `{variable}` in dotted lower case, "
            f"such as 'order.created'; it has {name!r}."
        )
    if not is_dataclass(cls):
        raise Misuse(f"{cls.__name__} is no dataclass, so {name} has no fields.")
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version <= MAX_VERSION:
        raise Misuse(f"{cls.__name__}.version is {version!r}; versions are whole numbers from 1.")
    senders = definitions.senders_of(cls)
    if senders and conf.service_name() not in senders:
        raise Misuse(
            f"{name} is announced by {', '.join(senders)}, as {cls.__name__}.senders says, and not by "
            f"{conf.service_name()}."
        )
    if any(field.key == "timestamp" for field in payload_fields(cls)):
        raise Misuse(
            f"{cls.__name__}.timestamp would be lost: under that name every message carries when it was "
            "sent. Name the field for what happened then, such as `confirmed_at`."
        )
    return name, version


@cache
def _require_service(destination: str, cls: type) -> None:
    known = contracts.services()
    if destination not in known and not getattr(cls, "outside", False):
        meant = known_names.suggestion(destination, known)
        raise Misuse(
            f"{cls.__name__} is sent to {destination}, and no service is called so. {meant}".strip()
            + " A program outside of the platform is addressed with `outside: ClassVar[bool] = True`."
        )


def _payload(payload: Any, name: str) -> dict[str, Any]:
    try:
        return wire.checked_payload(payload, max_depth=DATA_DEPTH)
    except Refusal as error:
        raise Misuse(f"{type(payload).__name__} does not fit {name}: {error.message}.") from error


def _require_text(name: str, what: str, value: str) -> None:
    """Raise Misuse for a value that is no text, or a text that the database cannot store."""
    if not isinstance(value, str):
        raise Misuse(f"The {what} of {name} must be a str, not {type(value).__name__}.")
    try:
        wire.checked_data({what: value})
    except Refusal as error:
        raise Misuse(f"{name} cannot be announced: {error.message}.") from error


def _require_calendar(name: str, after: timedelta) -> None:
    """Raise Misuse for a time that PostgreSQL may store and Python cannot read back."""
    try:
        datetime.now(UTC) + after
    except OverflowError as error:
        raise Misuse(f"{name} cannot be scheduled {after} from now: no calendar has that time.") from error


def _is_name(text: str) -> bool:
    return len(text) <= envelope.MAX_NAME_BYTES and definitions.NAME.fullmatch(text) is not None


def _require_transaction(name: str) -> None:
    if not connection.in_atomic_block:
        raise Misuse(
            f"{name!r} was announced outside a transaction, where it could get lost or go out although "
            "the change was rolled back. Open `transaction.atomic()` around the change and this call."
        )
