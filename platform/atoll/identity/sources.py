"""Where each account has signed in from, so that guesses from elsewhere do not lock its owner out.

Kept in the shared cache as digests keyed with SECRET_KEY: neither an account nor an address
can be read there. What the cache loses only makes a source a new one.
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
    """One more source of this account; of more than MAX_SOURCES the longest unused is forgotten.

    Sources that are remembered at the same moment are all kept. Raises RedisError or OSError when
    the cache is away.
    """
    now, key = time.time(), _key(scope, account)
    with _server().pipeline(transaction=True) as steps:
        steps.zadd(key, {_member(scope, account, source): now + REMEMBERED_S})
        steps.zremrangebyscore(key, "-inf", now)
        steps.zremrangebyrank(key, 0, -MAX_SOURCES - 1)
        steps.expire(key, REMEMBERED_S)
        steps.execute()


def is_known(scope: str, account: str, source: str) -> bool:
    """Whether the account has signed in from there in the last REMEMBERED_S seconds.

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
