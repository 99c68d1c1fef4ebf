"""``verify`` turns the text of a token into a Principal, with the key set of this process."""

import logging
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from django.conf import settings
from django.utils.module_loading import import_string

from atoll import conf
from atoll.client import ServiceClient
from atoll.errors import AtollError, Unavailable
from atoll.identity.jwks import KeySet, Refresh
from atoll.identity.key_file import KeyFile
from atoll.identity.principal import Principal
from atoll.identity.revocation_source import published_revocations
from atoll.identity.revocations import Mark
from atoll.identity.tokens import InvalidToken, key_id, principal_of
from atoll.identity.verified_tokens import VerifiedTokens, digest_of

log = logging.getLogger(__name__)

Fetch = Callable[[], Any]
FROM_USERS = "atoll.identity.verification.fetch_from_users"
WAIT_FOR_FETCH_S = 6.0

_verified = VerifiedTokens()


def verify(token: str) -> Principal:
    """The principal of a valid token. The signature and the claims of a repeated token are not checked
    again; its key and its revocation are.

    Raises InvalidToken for anything but a valid access or service token that was not
    revoked, and Unavailable while this process has never seen a key set and users is away.
    """
    digest = digest_of(token)
    held = _verified.find(digest)
    if held is not None and key_source().find(held.kid) is held.key:
        principal = held.principal
    else:
        principal = _principal_of_new(token, digest)
    if revocation_check()(principal):
        raise InvalidToken()
    return principal


def _principal_of_new(token: str, digest: bytes) -> Principal:
    kid = key_id(token)
    key = key_source().find(kid)
    if key is None:
        raise InvalidToken()
    principal = principal_of(token, key)
    _verified.remember(digest, principal, kid, key)
    return principal


def fetch_from_users() -> Any:
    """The published key set; raises Unavailable."""
    reply = ServiceClient("user-service").get("/.well-known/jwks.json", token=False)
    if not reply.ok:
        raise Unavailable("user-service", f"the key set was answered with {reply.status}")
    return reply.json()


class KeySource:
    """A key set and the function that fetches it. One fetch runs at a time, and callers wait for it.

    With ``keep`` the last good set is also written to that file, so that a process that starts while
    users is away can verify tokens. A set that is due is fetched in a thread of its own. With
    ``in_background`` False the caller fetches: for a fetch that is one query on the caller's connection.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        keep: Path | None = None,
        keys: KeySet | None = None,
        in_background: bool = True,
    ) -> None:
        self._fetch = fetch
        self._in_background = in_background
        self._file = KeyFile(keep)
        self._keys = keys or KeySet()
        self._done = threading.Condition()
        self._file.load_into(self._keys)

    def find(self, kid: str) -> RSAPublicKey | None:
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
            raise Unavailable("user-service", "the public keys of the tokens cannot be fetched")
        return key

    def _refresh(self) -> None:
        try:
            document = self._fetch()
            self._keys.accept(document)
            self._file.save(document)
        except (AtollError, OSError, ValueError) as error:
            self._keys.fail()
            log.warning("the token keys could not be fetched, the last good set stays: %s", error)
        except BaseException:
            self._keys.fail()
            raise
        finally:
            with self._done:
                self._done.notify_all()


def key_source() -> KeySource:
    """The keys of this process. ``ATOLL_JWKS_FETCH`` names another function that fetches them: users
    reads its own table, and the test kit has a key of its own."""
    return _source(getattr(settings, "ATOLL_JWKS_FETCH", FROM_USERS))


@cache
def _source(path: str) -> KeySource:
    if path == FROM_USERS:
        return KeySource(fetch_from_users, keep=conf.home() / "jwks.json")
    return KeySource(import_string(path), in_background=False)


def revocation_check() -> Callable[[Principal], bool]:
    """The function that says whether a principal's token was revoked, by the list that users publishes.

    ``ATOLL_REVOCATION_CHECK`` names another function: users reads its own table. Where the keys are not
    the keys of users, as in the test kit, no token is revoked.
    """
    named = getattr(settings, "ATOLL_REVOCATION_CHECK", None)
    if named is not None:
        return _imported(named)
    from_users = getattr(settings, "ATOLL_JWKS_FETCH", FROM_USERS) == FROM_USERS
    return published_revocations().covers if from_users else _nothing_is_revoked


def account_mark(subject: str) -> Mark | None:
    """The mark of an account in the list that users publishes; None where no list is fetched."""
    return published_revocations().mark_of(subject) if _list_is_fetched() else None


def sign_in_mark(sid: str) -> Mark | None:
    """The mark of a sign-in in that list."""
    return published_revocations().mark_of_sign_in(sid) if _list_is_fetched() else None


def _list_is_fetched() -> bool:
    if getattr(settings, "ATOLL_REVOCATION_CHECK", None) is not None:
        return False
    return bool(getattr(settings, "ATOLL_JWKS_FETCH", FROM_USERS) == FROM_USERS)


@cache
def _imported(path: str) -> Callable[[Principal], bool]:
    check: Callable[[Principal], bool] = import_string(path)
    return check


def _nothing_is_revoked(principal: Principal) -> bool:
    return False


def forget_keys() -> None:
    """Forget the key sets, the revocations and the verified tokens of this process, like a restart."""
    _verified.clear()
    _source.cache_clear()
    published_revocations.cache_clear()
