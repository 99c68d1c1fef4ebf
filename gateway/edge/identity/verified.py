"""Remembers verified tokens, so that the next request with one needs no signature check."""

import hashlib
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from atoll.identity.jwks import KeySetOf
from atoll.identity.principal import Principal

MAX_VERIFIED = 10_000
# A look by the bytes themselves costs a third of a digest. Longer tokens would fill the memory.
LONGEST_AS_IT_IS = 1536


class Verified(NamedTuple):
    """``keys`` has the key ``kid`` that verified the token. ``expires`` is in seconds since 1970."""

    principal: Principal
    expires: float
    keys: KeySetOf[Any]
    kid: str


class VerifiedTokens:
    """By the Authorization field. A full cache drops the oldest entry."""

    def __init__(self, now: Callable[[], float] = time.time, most: int = MAX_VERIFIED) -> None:
        self._now = now
        self._most = most
        self._held: dict[bytes, Verified] = {}

    def get(self, authorization: bytes) -> Verified | None:
        """None for a token that is unknown, has expired, or whose key is not trusted any more."""
        key = authorization if len(authorization) <= LONGEST_AS_IT_IS else _digest(authorization)
        held = self._held.get(key)
        if held is None:
            return None
        if held.expires <= self._now() or held.keys.peek(held.kid) is None:
            del self._held[key]
            return None
        return held

    def put(self, authorization: bytes, verified: Verified) -> None:
        if len(self._held) >= self._most:
            del self._held[next(iter(self._held))]
        is_short = len(authorization) <= LONGEST_AS_IT_IS
        self._held[authorization if is_short else _digest(authorization)] = verified

    def clear(self) -> None:
        self._held.clear()


def _digest(authorization: bytes) -> bytes:
    return hashlib.sha256(authorization).digest()
