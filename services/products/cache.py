"""Read-through cache of product pages and searches; the database stays the truth.

Every entry lives under the *generation* of its scope, a random token. Whoever
changes the scope replaces the token once the change is committed, and nobody asks
for the old entries any more. A reader takes the token before it reads the
database, so what it read before the change can only be stored under the old
token: stale data is never stored after the invalidation, whatever the timing.

When the cache is away, the database answers. When it is away at the very moment
of an invalidation and returns with its old content, entries are stale for at most
``ENTRY_TTL_S``; orders take prices from reads that do not pass through here.
"""

import time
from collections.abc import Callable, Iterable
from typing import TypeVar
from uuid import UUID, uuid4

import structlog
from django.core.cache import cache
from django.db import transaction
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)
T = TypeVar("T")

CATALOGUE = "catalogue"
ENTRY_TTL_S = 60
# Longer than any entry. A token that is gone early (eviction, restart) only means a fresh start.
GENERATION_TTL_S = 3600
# After a failure reads go straight to the database for this long, instead of each waiting for a timeout.
AWAY_S = 5.0


class _Away:
    """Remembers, per process, that the cache did not answer a moment ago."""

    until = 0.0

    def now(self) -> bool:
        return time.monotonic() < self.until

    def note(self, error: RedisError) -> None:
        if not self.now():
            log.warning("cache_away", error=str(error), skipped_for_s=AWAY_S)
        self.until = time.monotonic() + AWAY_S


away = _Away()


def product_scope(product_id: UUID) -> str:
    return f"product:{product_id}"


def read_through(scope: str, key: str, compute: Callable[[], T]) -> T:
    """The entry, or what ``compute`` returns, which is then kept. None is returned but not kept."""
    if away.now():
        return compute()
    try:
        entry = f"{scope}:{_generation(scope)}:{key}"
        held: T | None = cache.get(entry)
    except RedisError as error:
        away.note(error)
        return compute()
    if held is not None:
        return held
    value = compute()
    if value is not None:
        try:
            cache.set(entry, value, ENTRY_TTL_S)
        except RedisError as error:
            away.note(error)
    return value


def _generation(scope: str) -> str:
    name = f"generation:{scope}"
    held: str | None = cache.get(name)
    if held is None:
        cache.add(name, uuid4().hex, GENERATION_TTL_S)
        held = cache.get(name)
    return held or uuid4().hex


def forget_on_commit(product_ids: Iterable[UUID]) -> None:
    """Once the running transaction is committed, nobody sees these products or any search as they were."""
    scopes = [CATALOGUE, *map(product_scope, product_ids)]
    transaction.on_commit(lambda: _forget(scopes))


def _forget(scopes: list[str]) -> None:
    try:
        cache.set_many({f"generation:{scope}": uuid4().hex for scope in scopes}, GENERATION_TTL_S)
    except RedisError as error:
        away.note(error)
