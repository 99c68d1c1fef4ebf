"""Sessions of the admins: rows in the database, under ids that nobody can forge.

Half of an id is random, the other half is its MAC with the project's SECRET_KEY. An id with a wrong MAC
counts as no id, and costs neither a query nor a connection. An id with the right MAC is looked up, so
a session that was ended stays ended.
"""

from typing import Any

from django.conf import settings
from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.utils.crypto import constant_time_compare, get_random_string, salted_hmac

SALT = "atoll.identity.sessions"
# 103 and 80 bits; the column holds 40 characters.
RANDOM_CHARS = 20
MAC_CHARS = 20


class SessionStore(db.SessionStore):
    """The ``SESSION_ENGINE`` of every project."""

    def _get_new_session_key(self) -> str:
        while self.exists(key := _draw()):
            continue
        return key

    async def _aget_new_session_key(self) -> str:
        while await self.aexists(key := _draw()):
            continue
        return key

    def _validate_session_key(self, key: Any) -> bool:
        if not isinstance(key, str) or len(key) != RANDOM_CHARS + MAC_CHARS or not key.isascii():
            return False
        drawn, mac = key[:RANDOM_CHARS], key[RANDOM_CHARS:]
        secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        return any(constant_time_compare(mac, _mac(drawn, secret)) for secret in secrets)


def _draw() -> str:
    drawn = get_random_string(RANDOM_CHARS, VALID_KEY_CHARS)
    return drawn + _mac(drawn, settings.SECRET_KEY)


def _mac(drawn: str, secret: str) -> str:
    return salted_hmac(SALT, drawn, secret=secret, algorithm="sha256").hexdigest()[:MAC_CHARS]
