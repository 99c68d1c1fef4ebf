"""The key set (RFC 7517) and the rule of when to ask for it again.

No transport and no threads: ``KeySet`` decides, the caller fetches and reports
back with ``accept`` or ``fail``. ``verification`` drives it from threads, the
gateway from its event loop.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from atoll.identity.tokens import ALGORITHM, KEY_ID

FRESH_S = 300.0
UNKNOWN_KEY_EVERY_S = 60.0
RETRY_AFTER_FAILURE_S = 5.0
FETCH_GIVEN_UP_S = 30.0
MAX_KEYS = 16
MIN_KEY_BITS = 2048


class Refresh(Enum):
    """What the caller owes the key set before it uses the answer."""

    NO = "use the answer as it is"
    BEHIND = "use the answer now and fetch in the background"
    FIRST = "fetch before believing the answer"


@dataclass(frozen=True)
class Lookup:
    """``key`` is None when no trusted key has that id; ``refresh`` is NO while another fetch runs."""

    key: RSAPublicKey | None
    refresh: Refresh


class KeySet:
    """The last good set of public keys, with stale-while-revalidate.

    A set older than ``FRESH_S`` is still used while it is fetched anew, and for
    as long as users cannot be reached: losing users signs nobody out. An
    unknown id causes at most one fetch in ``UNKNOWN_KEY_EVERY_S``, so that
    made-up ids are no lever against users. Whoever gets BEHIND or FIRST holds
    the single fetch, and must end it with ``accept`` or ``fail``; one that
    never reports back is given up after ``FETCH_GIVEN_UP_S``.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at: float | None = None
        self._failed_at: float | None = None
        self._fetching_since: float | None = None
        self._unknown_asked_at: float | None = None

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def loaded(self) -> bool:
        """Whether any set was ever accepted; until then an unknown id proves nothing."""
        return self._fetched_at is not None

    @property
    def fetching(self) -> bool:
        """Whether somebody holds the single fetch now."""
        return self._within(self._fetching_since, FETCH_GIVEN_UP_S, self._clock())

    def find(self, kid: str) -> Lookup:
        with self._lock:
            key = self._keys.get(kid)
            now = self._clock()
            if self._resting(now):
                return Lookup(key, Refresh.NO)
            if key is None and self._fetched_at is not None:
                if self._within(self._unknown_asked_at, UNKNOWN_KEY_EVERY_S, now):
                    return Lookup(None, Refresh.NO)
                self._unknown_asked_at = now
            elif key is not None and self._within(self._fetched_at, FRESH_S, now):
                return Lookup(key, Refresh.NO)
            self._fetching_since = now
            return Lookup(key, Refresh.FIRST if key is None else Refresh.BEHIND)

    def peek(self, kid: str) -> RSAPublicKey | None:
        """The key with that id, with no thought of its age."""
        return self._keys.get(kid)

    def accept(self, document: Any) -> None:
        """Replace the whole set: a key that is no longer published is no longer trusted.

        Raises ValueError, keeps the last good set and counts as a failure when
        the document holds no usable key.
        """
        try:
            keys = read_key_set(document)
        except ValueError:
            self.fail()
            raise
        with self._lock:
            self._keys = keys
            self._fetched_at = self._clock()
            self._failed_at = self._fetching_since = None

    def adopt(self, document: Any) -> None:
        """Start from a set kept by an earlier process: trusted, and due for a fetch at once."""
        keys = read_key_set(document)
        with self._lock:
            self._keys = keys
            self._fetched_at = self._clock() - FRESH_S

    def fail(self) -> None:
        with self._lock:
            self._failed_at = self._clock()
            self._fetching_since = None

    def _resting(self, now: float) -> bool:
        """While a fetch runs, and for a moment after one failed, nobody starts another."""
        return self._within(self._fetching_since, FETCH_GIVEN_UP_S, now) or self._within(
            self._failed_at, RETRY_AFTER_FAILURE_S, now
        )

    @staticmethod
    def _within(moment: float | None, span_s: float, now: float) -> bool:
        return moment is not None and now - moment < span_s


def read_key_set(document: Any) -> dict[str, RSAPublicKey]:
    """Every RS256 signature key of the document by its ``kid``; others are passed over.

    Raises ValueError when none is left, or there are more than ``MAX_KEYS``.
    """
    rows = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(rows, list) or len(rows) > MAX_KEYS:
        raise ValueError("not a JWK set")
    keys = {row["kid"]: key for row in rows if (key := _read_key(row)) is not None}
    if not keys:
        raise ValueError("the JWK set holds no RS256 key")
    return keys


def _read_key(row: Any) -> RSAPublicKey | None:
    if not isinstance(row, dict) or row.get("kty") != "RSA":
        return None
    if row.get("alg") != ALGORITHM or row.get("use") != "sig":
        return None
    if not isinstance(row.get("kid"), str) or not KEY_ID.fullmatch(row["kid"]):
        return None
    try:
        key = RSAAlgorithm.from_jwk(row)
    except (jwt.InvalidKeyError, ValueError, TypeError, KeyError):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        return None
    return key
