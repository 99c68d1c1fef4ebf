"""API keys: their form, and the look-up of a key that a request carries.

A key is ``atoll_`` + its id + ``_`` + 48 hex digits. A published table has only its SHA-256. The key has 192
random bits, so a slow hash would protect nothing, and the time of a look-up by digest tells nothing about
other keys.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from atoll.identity.principal import Principal
from atoll.identity.roles import holds_one_of
from gateway.edge.identity.consumers import Consumer

PREFIX = "atoll_"
PREFIX_BYTES = PREFIX.encode()
SECRET_BYTES = 24
MAX_KEY_BYTES = 128
ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
ID_CHARS = 8
API_KEY_FIELD = b"x-api-key"


@dataclass(frozen=True)
class Machine(Principal):
    """A consumer that has sent a key. Its ``id`` cannot be the id of a user.

    ``allows`` has the methods by the name of the route.
    """

    consumer: str = ""
    key_id: str = ""
    allows: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)

    def holds_one_of(self, *roles: str) -> bool:
        return holds_one_of(self.roles, roles)

    def may_use(self, route: str, method: str) -> bool:
        return method in self.allows.get(route, ())


class ApiKeys:
    """The keys of a published table, and when each was used last."""

    def __init__(self, consumers: Iterable[Consumer] = (), now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._machines: dict[str, tuple[Machine, float]] = {}
        self._used: dict[str, int] = {}
        self.replace(consumers)

    def replace(self, consumers: Iterable[Consumer]) -> None:
        self._machines = {
            key.digest: (_machine(consumer, key.id, key.expires_at), key.expires_at)
            for consumer in consumers
            for key in consumer.keys
        }

    def find(self, key: bytes) -> Machine | None:
        """None for a key that is unknown, withdrawn or expired."""
        if len(key) > MAX_KEY_BYTES:
            return None
        held = self._machines.get(hashlib.sha256(key).hexdigest())
        now = self._now()
        if held is None or held[1] <= now:
            return None
        self._used[held[0].key_id] = int(now)
        return held[0]

    def take_used(self) -> dict[str, int]:
        """The ids of the keys that were used since the last call, each with its last time (since 1970, s)."""
        used, self._used = self._used, {}
        return used


def make_key() -> tuple[str, str]:
    """A new key and its id."""
    key_id = "".join(secrets.choice(ID_ALPHABET) for _ in range(ID_CHARS))
    return f"{PREFIX}{key_id}_{secrets.token_hex(SECRET_BYTES)}", key_id


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def carries_key(name: bytes, value: bytes) -> bool:
    """Whether this header field holds one of our keys, which no service may see."""
    if name == API_KEY_FIELD:
        return value.startswith(PREFIX_BYTES)
    return name == b"authorization" and value.partition(b" ")[2].lstrip().startswith(PREFIX_BYTES)


def _machine(consumer: Consumer, key_id: str, expires_at: float) -> Machine:
    return Machine(
        id=f"consumer:{consumer.id}",
        roles=frozenset(consumer.roles),
        kind="consumer",
        service=None,
        token_id=key_id,
        email=None,
        name=consumer.name,
        expires_at=expires_at,
        consumer=consumer.id,
        key_id=key_id,
        allows={route: frozenset(methods) for route, methods in consumer.allows.items()},
    )
