"""``verify`` turns the text of a token into a Principal, with the key sets of this process."""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from atoll import conf
from atoll.client import ServiceClient
from atoll.errors import Unavailable
from atoll.identity.foreign import tokens as foreign_tokens
from atoll.identity.foreign.trusted import Trusted, trusted
from atoll.identity.key_source import KeySource
from atoll.identity.principal import Principal
from atoll.identity.revocation_source import published_revocations
from atoll.identity.revocations import Mark
from atoll.identity.tokens import InvalidToken, key_id, principal_of
from atoll.identity.verified_tokens import Verified, VerifiedTokens, digest_of

FROM_USERS = "atoll.identity.verification.fetch_from_users"

_verified = VerifiedTokens()


def verify(token: str) -> Principal:
    """The principal of a valid token. The signature and the claims of a repeated token are not checked
    again; its key and its revocation are.

    Raises InvalidToken for anything but a valid access or service token that was not revoked, and Unavailable
    while this process has never seen a key set and the issuer is away. A token of an issuer outside is good
    until it expires.
    """
    digest = digest_of(token)
    held = _verified.find(digest)
    if held is not None and _key_of(held) is held.key:
        principal = held.principal
    else:
        principal = _principal_of_new(token, digest)
    if not principal.issuer and revocation_check()(principal):
        raise InvalidToken()
    return principal


def _key_of(held: Verified) -> object:
    """The key that is trusted now under the key id of a verified token."""
    if not held.principal.issuer:
        return key_source().find(held.kid)
    foreign = trusted()
    return foreign.keys.find(held.kid) if foreign is not None else None


def _principal_of_new(token: str, digest: bytes) -> Principal:
    foreign = trusted()
    if foreign is not None:
        if foreign_tokens.claimed_issuer(token) == foreign.issuer.issuer:
            return _principal_of_foreign(token, digest, foreign)
        if foreign.is_alone:
            raise InvalidToken()
    kid = key_id(token)
    key = key_source().find(kid)
    if key is None:
        raise InvalidToken()
    principal = principal_of(token, key)
    _verified.remember(digest, principal, kid, key)
    return principal


def _principal_of_foreign(token: str, digest: bytes, foreign: Trusted) -> Principal:
    header = foreign_tokens.read_header(token, foreign.issuer)
    key = foreign.keys.find(header.kid)
    if key is None:
        raise InvalidToken()
    principal = foreign_tokens.principal_of(token, header, key, foreign.issuer)
    _verified.remember(digest, principal, header.kid, key)
    return principal


def fetch_from_users() -> Any:
    """The published key set; raises Unavailable."""
    reply = ServiceClient("user-service").get("/.well-known/jwks.json", token=False)
    if not reply.ok:
        raise Unavailable("user-service", f"the key set was answered with {reply.status}")
    return reply.json()


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
    foreign = trusted()
    if foreign is not None and foreign.is_alone:
        return False
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
    trusted.cache_clear()
    published_revocations.cache_clear()
