"""A key set and the function that fetches it, for the threads of a process."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from atoll.errors import AtollError, Unavailable
from atoll.identity.jwks import KeySet, KeySetOf, Refresh
from atoll.identity.key_file import KeyFile

log = logging.getLogger(__name__)

Fetch = Callable[[], Any]
K = TypeVar("K")
USERS = "user-service"
WAIT_FOR_FETCH_S = 6.0


class KeySourceOf(Generic[K]):
    """One fetch runs at a time, and callers wait for it.

    With ``keep`` the last good set is also written to that file, so that a process that starts while
    ``owner`` is away can verify tokens. A set that is due is fetched in a thread of its own. With
    ``in_background`` False the caller fetches: for a fetch that is one query on the caller's connection.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        keys: KeySetOf[K],
        owner: str,
        keep: Path | None = None,
        in_background: bool = True,
    ) -> None:
        self._fetch = fetch
        self._owner = owner
        self._in_background = in_background
        self._file = KeyFile(keep)
        self._keys = keys
        self._done = threading.Condition()
        self._file.load_into(self._keys)

    def find(self, kid: str) -> K | None:
        """The trusted key with that id, if any. Raises Unavailable when no set was ever fetched."""
        found = self._keys.find(kid)
        if found.refresh is Refresh.BEHIND and self._in_background:
            threading.Thread(target=self._refresh, name="jwks", daemon=True).start()
            return found.key
        if found.refresh is not Refresh.NO:
            self._refresh()
        elif found.key is None:
            with self._done:
                self._done.wait_for(lambda: not self._keys.fetching, WAIT_FOR_FETCH_S)
        key = self._keys.peek(kid)
        if key is None and not self._keys.loaded:
            raise Unavailable(self._owner, "the public keys of the tokens cannot be fetched")
        return key

    def _refresh(self) -> None:
        try:
            document = self._fetch()
            self._keys.accept(document)
            self._file.save(document)
        except (AtollError, OSError, ValueError) as error:
            self._keys.fail()
            log.warning(
                "the token keys of %s could not be fetched, the last good set stays: %s", self._owner, error
            )
        except BaseException:
            self._keys.fail()
            raise
        finally:
            with self._done:
                self._done.notify_all()


class KeySource(KeySourceOf[RSAPublicKey]):
    """The keys of users, or of the issuer of the admins' sign-in."""

    def __init__(
        self,
        fetch: Fetch,
        *,
        keep: Path | None = None,
        keys: KeySet | None = None,
        in_background: bool = True,
    ) -> None:
        super().__init__(fetch, keys=keys or KeySet(), owner=USERS, keep=keep, in_background=in_background)
