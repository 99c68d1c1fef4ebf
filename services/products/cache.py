"""Read-through cache of product pages and searches.

The key of an entry contains the *generation* of its scope, a random token. A change of the scope
replaces the token after its commit, so readers no longer find the old entries. A reader takes the
token before it reads the database. So it stores data from before the change under the old token,
and no reader gets stale data after the invalidation.

If the cache is away, the database answers. If the cache misses an invalidation and comes back with
its old content, entries are stale for at most ``ENTRY_TTL_S``. Orders take prices from reads
without this cache.
"""

import threading
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
# Longer than the life of an entry. After an early loss of the token (eviction, restart) the scope is empty.
GENERATION_TTL_S = 3600
# After a failure, reads use the database for this time, so they do not each wait for a time-out.
AWAY_S = 5.0


class _Away:
    """The last failure of the cache in this process."""

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
    """The entry, or the result of ``compute``, which becomes the entry unless it is None."""
    if away.now():
        return compute()
    try:
        entry = f"{scope}:{_generation(scope)}:{key}"
        cached: T | None = cache.get(entry)
    except RedisError as error:
        away.note(error)
        return compute()
    if cached is not None:
        return cached
    value = compute()
    if value is not None:
        try:
            cache.set(entry, value, ENTRY_TTL_S)
        except RedisError as error:
            away.note(error)
    return value


def _generation(scope: str) -> str:
    name = f"generation:{scope}"
    token: str | None = cache.get(name)
    if token is None:
        cache.add(name, uuid4().hex, GENERATION_TTL_S)
        token = cache.get(name)
    return token or uuid4().hex


class _Waiting(threading.local):
    """The scopes that the running transaction of this thread has changed.

    A rollback leaves its scopes here, and a later commit invalidates them, too. That does no harm.
    """

    def __init__(self) -> None:
        self.scopes: set[str] = set()


_waiting = _Waiting()


def invalidate_on_commit(product_ids: Iterable[UUID]) -> None:
    """Invalidate these products and all searches after the commit of the running transaction.

    One request to the cache serves all calls in a transaction.
    """
    _waiting.scopes |= {CATALOGUE, *map(product_scope, product_ids)}
    transaction.on_commit(_invalidate)


def _invalidate() -> None:
    scopes, _waiting.scopes = _waiting.scopes, set()
    if not scopes:
        return
    try:
        cache.set_many({f"generation:{scope}": uuid4().hex for scope in scopes}, GENERATION_TTL_S)
    except RedisError as error:
        away.note(error)
