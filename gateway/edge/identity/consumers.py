"""Consumers: machines with API keys, as a published document declares them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from atoll.identity import roles
from gateway.edge.identity.declaration import InvalidIdentity, require_distinct, rows, table, text, texts

ID = re.compile(r"[a-z][a-z0-9-]{0,62}")
KEY_ID = re.compile(r"[a-z0-9]{8}")
DIGEST = re.compile(r"[0-9a-f]{64}")
ROUTE = re.compile(r"[a-z][a-z0-9-]{0,62}")
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
MAX_NAME_CHARS = 100
MAX_KEYS = 10


@dataclass(frozen=True)
class Key:
    """``digest`` is the SHA-256 of the whole key, in hex. ``expires`` is an RFC 3339 time, or empty."""

    id: str
    digest: str
    expires: str = ""

    @property
    def expires_at(self) -> float:
        """In seconds since 1970. Raises ValueError."""
        if not self.expires:
            return float("inf")
        moment = datetime.fromisoformat(self.expires)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return moment.timestamp()


@dataclass(frozen=True)
class Consumer:
    """``allows`` has the methods by the name of the route. ``roles`` open routes that ask for a role."""

    id: str
    name: str
    allows: Mapping[str, tuple[str, ...]]
    roles: tuple[str, ...]
    keys: tuple[Key, ...]


def read_consumers(given: object) -> tuple[Consumer, ...]:
    """The ``consumers`` of a document. Raises InvalidIdentity."""
    found = tuple(_consumer(row) for row in rows(given, "consumers"))
    for consumer in found:
        check_consumer(consumer)
    require_distinct([consumer.id for consumer in found], "consumers")
    require_distinct([key.id for consumer in found for key in consumer.keys], "keys")
    return found


def _consumer(row: dict[str, Any]) -> Consumer:
    try:
        allows = table(row, "allows")
        return Consumer(
            id=text(row, "id"),
            name=text(row, "name"),
            allows={route: texts(allows, route) for route in sorted(allows)},
            roles=texts(row, "roles"),
            keys=tuple(
                Key(text(key, "id"), text(key, "digest"), text(key, "expires"))
                for key in rows(row.get("keys"), "keys")
            ),
        )
    except InvalidIdentity as error:
        raise InvalidIdentity(f"Consumer '{row.get('id')}': {error}") from None


def check_consumer(consumer: Consumer) -> None:
    """Raises InvalidIdentity, which names the consumer and the change that it needs."""
    problem = _problem(consumer) or _key_problem(consumer.keys)
    if problem:
        raise InvalidIdentity(f"Consumer '{consumer.id}': {problem}")


def _problem(consumer: Consumer) -> str | None:
    if not ID.fullmatch(consumer.id):
        return "its id must be lower-case letters, digits and hyphens."
    if not consumer.name.isprintable() or len(consumer.name) > MAX_NAME_CHARS:
        return f"its name must be at most {MAX_NAME_CHARS} printable characters."
    if not set(consumer.roles) <= set(roles.ROLES):
        return f"its roles must be some of {', '.join(roles.ROLES)}."
    for route, methods in consumer.allows.items():
        if not ROUTE.fullmatch(route) or not methods or not set(methods) <= METHODS:
            return f"choose the methods that it may use on the route {route!r}."
    return None


def _key_problem(keys: tuple[Key, ...]) -> str | None:
    if len(keys) > MAX_KEYS:
        return f"it may have {MAX_KEYS} keys at most."
    for key in keys:
        if not KEY_ID.fullmatch(key.id) or not DIGEST.fullmatch(key.digest):
            return "a key needs an id of 8 characters and its SHA-256 in hex."
        try:
            _ = key.expires_at
        except ValueError:
            return f"{key.expires!r} is no time with a zone, such as 2027-01-01T00:00:00Z."
    return None
