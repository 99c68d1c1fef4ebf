"""Announcing: each call writes rows in the caller's transaction, and nothing else.

What is rolled back was never announced; what is committed will be published.
"""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from atoll import context, wire
from atoll.bus import deliveries, envelope, outbox, registry
from atoll.bus.registry import Kind
from atoll.errors import Misuse
from atoll.ids import uuid7

NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


def publish(event: Any, *, key: str | None = None) -> UUID:
    """Announce a fact to whoever listens; the id of the message.

    ``event`` is a dataclass instance with a class variable ``type`` such as
    ``"order.created"`` and, from its second version on, ``version``. Messages of
    one ``key`` are published in the order in which their transactions commit,
    which makes such transactions wait for each other.
    Raises Misuse outside ``transaction.atomic()``.
    """
    name = _name(event, "type")
    return _announce("event", name, name, wire.to_payload(event), _version(event), key)


def publish_raw(event_type: str, data: dict[str, Any], *, key: str | None = None) -> UUID:
    """Announce an event whose data is at hand only as it goes on the wire; otherwise as ``publish``."""
    if not _is_name(event_type):
        raise Misuse(f"{event_type!r} is no event type: dotted lower case, such as 'order.created'.")
    return _announce("event", event_type, event_type, data, 1, key)


def send(command: Any, *, to: str | None = None, key: str | None = None) -> UUID:
    """Ask one service, by its name on the wire, to do something; the id of the message.

    ``command`` is a dataclass instance with class variables ``command`` and,
    unless ``to`` is given, ``to``. ``key`` and Misuse are as for ``publish``.
    """
    name = _name(command, "command")
    destination = to or getattr(command, "to", None)
    if not isinstance(destination, str) or not 0 < len(destination.encode()) <= envelope.MAX_NAME_BYTES:
        raise Misuse(f"{name} names no service: give {type(command).__name__} a class variable `to`.")
    return _announce("command", name, destination, wire.to_payload(command), _version(command), key)


def schedule(command: Any, *, after: timedelta, token: str | None = None) -> UUID:
    """Have this service handle a command later; the id of the message.

    The timer lives in this service's database and takes no way through the
    broker. It fires once, at ``after`` or up to about a second later.
    ``token`` names it for ``cancel_scheduled``.
    Raises Misuse outside a transaction, and when nothing here handles the command.
    """
    name = _name(command, "command")
    handler = registry.command_handler(name)
    if handler is None:
        raise Misuse(f"{name} cannot be scheduled: no function here handles it.")
    _demand_transaction(name)
    message_id, correlation_id = uuid7(), _correlation_id()
    deliveries.schedule(
        message_id=message_id,
        name=name,
        handler_id=handler.id,
        body=_body("command", name, message_id, wire.to_payload(command), correlation_id, _version(command)),
        service_id=settings.ATOLL_SERVICE,
        correlation_id=correlation_id,
        version=_version(command),
        after=after,
        token=token or "",
    )
    return message_id


def cancel_scheduled(token: str) -> int:
    """Call off every timer of that name that has not fired; how many there were.

    Raises Misuse outside a transaction: calling it off belongs to the change that makes it needless.
    """
    _demand_transaction(token)
    return deliveries.cancel(token)


def _announce(
    kind: Kind, name: str, destination: str, data: dict[str, Any], version: int, key: str | None
) -> UUID:
    _demand_transaction(name)
    if key is not None and not 0 < len(key) <= envelope.MAX_ID_CHARACTERS:
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
        service_id=settings.ATOLL_SERVICE,
        correlation_id=correlation_id,
        version=version,
    )


def _correlation_id() -> str:
    return context.correlation_id() or context.new_correlation_id()


def _name(payload: Any, variable: str) -> str:
    name = getattr(payload, variable, None)
    if not isinstance(name, str) or not _is_name(name):
        raise Misuse(
            f"{type(payload).__name__} needs a class variable `{variable}` in dotted lower case, "
            f"such as 'order.created'; it has {name!r}."
        )
    return name


def _is_name(text: str) -> bool:
    return len(text) <= envelope.MAX_NAME_BYTES and NAME.fullmatch(text) is not None


def _version(payload: Any) -> int:
    return int(getattr(payload, "version", 1))


def _demand_transaction(name: str) -> None:
    if not connection.in_atomic_block:
        raise Misuse(
            f"{name!r} was announced outside a transaction, where it could get lost or go out although "
            "the change was rolled back. Open `transaction.atomic()` around the change and this call."
        )
