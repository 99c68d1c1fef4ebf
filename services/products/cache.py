"""Read-through cache of the rendered pages of lists and searches.

Each entry names the *generation* of the catalogue, a random token, at the time before its data were read.
A change of the catalogue replaces the token after its commit, and an entry with another token counts as
none. A reader takes the token before it reads the database. So it stores data from before the change with
the old token, and no reader gets stale data after the invalidation.

If the cache is away, the database answers. If the cache misses an invalidation and comes back with
its old content, entries are stale for at most ``ENTRY_TTL_S``. Orders take prices from reads
without this cache, and a single product costs no more than its entry would (docs/decisions/0070).
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import uuid4

import structlog
from django.core.cache import cache
from django.db import transaction
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)
T = TypeVar("T")

GENERATION = "generation:catalogue"
ENTRY_TTL_S = 60
# Longer than the life of an entry. After an early loss of the token (eviction, restart) the cache is empty.
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


def read_through(key: str, compute: Callable[[], T]) -> T:
    """The entry, or the result of ``compute``, which becomes the entry. A hit is one command."""
    if away.now():
        return compute()
    entry = f"catalogue:{key}"
    try:
        found: dict[str, Any] = cache.get_many([GENERATION, entry])
        token = found.get(GENERATION) or _first_generation()
    except RedisError as error:
        away.note(error)
        return compute()
    stored_with, value = found.get(entry, (None, None))
    if stored_with == token:
        stored: T = value
        return stored
    fresh = compute()
    try:
        cache.set(entry, (token, fresh), ENTRY_TTL_S)
    except RedisError as error:
        away.note(error)
    return fresh


def _first_generation() -> str:
    cache.add(GENERATION, uuid4().hex, GENERATION_TTL_S)
    return cache.get(GENERATION) or uuid4().hex


def invalidate_on_commit() -> None:
    """Invalidate all entries after the commit of the running transaction, once however often it is called."""
    waiting = transaction.get_connection().run_on_commit
    if not any(entry[1] is _invalidate for entry in waiting):
        transaction.on_commit(_invalidate)


def _invalidate() -> None:
    try:
        cache.set(GENERATION, uuid4().hex, GENERATION_TTL_S)
    except RedisError as error:
        away.note(error)
