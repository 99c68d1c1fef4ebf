"""The tokens that this process has verified, so that the next request needs no RSA."""

import hashlib
import threading
import time
from dataclasses import dataclass

from atoll.identity.principal import Principal

MAX_TOKENS = 4096
REMEMBERED_S = 300.0


@dataclass(frozen=True, slots=True)
class Verified:
    """``since`` and ``until`` are in seconds since 1970: a clock that was set back ends the entry, too."""

    principal: Principal
    kid: str
    key: object
    since: float
    until: float


class VerifiedTokens:
    """Entries by the token's SHA-256, at most MAX_TOKENS; a full memory forgets the oldest.

    An entry lives for REMEMBERED_S, and never longer than its token. Whether the token was revoked, and
    whether its key is still trusted, the caller checks each time. Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[bytes, Verified] = {}

    def find(self, digest: bytes) -> Verified | None:
        held = self._held.get(digest)
        return held if held is not None and held.since <= time.time() < held.until else None

    def remember(self, digest: bytes, principal: Principal, kid: str, key: object) -> None:
        now = time.time()
        until = min(now + REMEMBERED_S, principal.expires_at)
        with self._lock:
            self._held.pop(digest, None)
            if len(self._held) >= MAX_TOKENS:
                del self._held[next(iter(self._held))]
            self._held[digest] = Verified(principal, kid, key, now, until)

    def clear(self) -> None:
        with self._lock:
            self._held.clear()


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
