"""The sources of earlier sign-ins of each account, so that guesses from other sources lock no owner out.

The shared cache holds them as digests with SECRET_KEY, so that nobody reads accounts or addresses there.
A source that the cache loses counts as a new one.
"""

import functools
import time
from typing import Any

import redis
from django.conf import settings
from django.utils.crypto import salted_hmac

SALT = "atoll.identity.sources"
MAX_SOURCES = 20
REMEMBERED_S = 90 * 24 * 60 * 60
DIGEST_CHARS = 32


def remember(scope: str, account: str, source: str) -> None:
    """Add a source to an account. Of more than MAX_SOURCES the longest unused is forgotten.

    Concurrent calls lose no source. Raises RedisError or OSError when the cache is away.
    """
    now, key = time.time(), _key(scope, account)
    with _server().pipeline(transaction=True) as steps:
        steps.zadd(key, {_member(scope, account, source): now + REMEMBERED_S})
        steps.zremrangebyscore(key, "-inf", now)
        steps.zremrangebyrank(key, 0, -MAX_SOURCES - 1)
        steps.expire(key, REMEMBERED_S)
        steps.execute()


def is_known(scope: str, account: str, source: str) -> bool:
    """Whether the account has signed in from the source in the last REMEMBERED_S seconds.

    Raises RedisError or OSError when the cache is away.
    """
    until: Any = _server().zscore(_key(scope, account), _member(scope, account, source))
    return until is not None and until > time.time()


def _key(scope: str, account: str) -> str:
    prefix = getattr(settings, "RATELIMIT_CACHE_PREFIX", "rl:")
    return f"{settings.CACHES['default'].get('KEY_PREFIX', '')}:{prefix}sources:{_digest(scope, account)}"


def _member(scope: str, account: str, source: str) -> str:
    return _digest(scope, account, source)


def _digest(*parts: str) -> str:
    return salted_hmac(SALT, "\0".join(parts), algorithm="sha256").hexdigest()[:DIGEST_CHARS]


def _server() -> Any:
    cache = settings.CACHES["default"]
    return _connect(cache["LOCATION"], tuple(sorted(cache.get("OPTIONS", {}).items())))


@functools.lru_cache(maxsize=4)
def _connect(url: str, options: tuple[tuple[str, Any], ...]) -> "redis.Redis":
    return redis.Redis.from_url(url, **dict(options))
