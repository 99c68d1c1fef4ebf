"""The key set (RFC 7517), and the rule that says when to fetch it again.

``KeySet`` has no transport and no threads. It decides, and the caller fetches and reports back with
``accept`` or ``fail``: ``verification`` in threads, the gateway in its event loop.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

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


K = TypeVar("K")


class Refresh(Enum):
    """The duty of the caller of `KeySetOf.find`."""

    NO = "use the answer as it is"
    BEHIND = "use the answer now and fetch in the background"
    FIRST = "fetch before believing the answer"


@dataclass(frozen=True)
class Lookup(Generic[K]):
    """``key`` is None when no trusted key has the id. ``refresh`` is NO while another fetch runs."""

    key: K | None
    refresh: Refresh


class KeySetOf(Generic[K]):
    """The last good set of public keys, with stale-while-revalidate.

    ``read`` makes the keys of a document by their ``kid``; it raises ValueError. A set older than
    ``FRESH_S`` is used while it is fetched again, and for as long as the issuer is away: an outage of the
    issuer signs nobody out. Unknown ids cause at most one fetch in ``unknown_every_s`` seconds, so that
    forged ids put no load on the issuer. A caller that gets BEHIND or FIRST holds the single fetch and
    must end it with ``accept`` or ``fail``. After ``FETCH_GIVEN_UP_S`` without a report another caller
    may fetch.
    """

    def __init__(
        self,
        read: Callable[[Any], dict[str, K]],
        clock: Callable[[], float] = time.monotonic,
        unknown_every_s: float = UNKNOWN_KEY_EVERY_S,
    ) -> None:
        self._read = read
        self._clock = clock
        self._unknown_every_s = unknown_every_s
        self._lock = threading.Lock()
        self._keys: dict[str, K] = {}
        self._fetched_at: float | None = None
        self._failed_at: float | None = None
        self._fetching_since: float | None = None
        self._unknown_asked_at: float | None = None

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def loaded(self) -> bool:
        """Whether a set was accepted. Before that an unknown id may be a good one."""
        return self._fetched_at is not None

    @property
    def fetching(self) -> bool:
        """Whether a caller holds the single fetch now."""
        return self._within(self._fetching_since, FETCH_GIVEN_UP_S, self._clock())

    def find(self, kid: str) -> Lookup[K]:
        with self._lock:
            key = self._keys.get(kid)
            now = self._clock()
            if self._resting(now):
                return Lookup(key, Refresh.NO)
            if key is None and self._fetched_at is not None:
                if self._within(self._unknown_asked_at, self._unknown_every_s, now):
                    return Lookup(None, Refresh.NO)
                self._unknown_asked_at = now
            elif key is not None and self._within(self._fetched_at, FRESH_S, now):
                return Lookup(key, Refresh.NO)
            self._fetching_since = now
            return Lookup(key, Refresh.FIRST if key is None else Refresh.BEHIND)

    def due(self) -> bool:
        """Whether the set is too old, whatever key is asked for. True gives the caller the single fetch."""
        with self._lock:
            now = self._clock()
            if self._resting(now) or self._within(self._fetched_at, FRESH_S, now):
                return False
            self._fetching_since = now
            return True

    def peek(self, kid: str) -> K | None:
        """The key with that id, whatever its age."""
        return self._keys.get(kid)

    def accept(self, document: Any) -> None:
        """Replace the whole set. A key that is no longer published is no longer trusted.

        When the document holds no usable key, raises ValueError, keeps the last good set and counts as
        `fail`.
        """
        try:
            keys = self._read(document)
        except ValueError:
            self.fail()
            raise
        with self._lock:
            self._keys = keys
            self._fetched_at = self._clock()
            self._failed_at = self._fetching_since = None

    def adopt(self, document: Any) -> None:
        """Start with the set of an earlier process. It is trusted, and the next `find` asks for a fetch."""
        keys = self._read(document)
        with self._lock:
            self._keys = keys
            self._fetched_at = self._clock() - FRESH_S

    def fail(self) -> None:
        with self._lock:
            self._failed_at = self._clock()
            self._fetching_since = None

    def _resting(self, now: float) -> bool:
        """Whether a fetch runs or has just failed, so that no caller starts another."""
        return self._within(self._fetching_since, FETCH_GIVEN_UP_S, now) or self._within(
            self._failed_at, RETRY_AFTER_FAILURE_S, now
        )

    @staticmethod
    def _within(moment: float | None, span_s: float, now: float) -> bool:
        return moment is not None and now - moment < span_s


class KeySet(KeySetOf[RSAPublicKey]):
    """The keys of users."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(read_key_set, clock)


def read_key_set(document: Any) -> dict[str, RSAPublicKey]:
    """The RS256 signature keys of the document by their ``kid``. Other keys are left out.

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
