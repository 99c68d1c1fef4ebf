"""The credentials of services in memory (docs/decisions/0053).

A valid credential costs no query, and the failures of other callers do not delay it.
"""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable

from django.db import InterfaceError, OperationalError

from atoll.errors import Unavailable
from registry.usecases.credentials import ActiveCredential, InvalidCredential, digest

# A secret that is not in the table may be new, so the table is read again, at most this often.
READ_AGAIN_S = 1.0
# A caller with a known secret waits at most so long for a table that is being read.
KNOWN_WAITS_S = 0.25

Table = dict[str, ActiveCredential]


class CredentialCache:
    """The digests of all active credentials.

    While the process listens for changes (`listen`), the table is current. Otherwise, and for an
    unknown secret, the table is read again before a caller is refused. While the database is away,
    or hangs, the last table stays.
    """

    def __init__(
        self, read: Callable[[], Awaitable[Table]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._table: Table = {}
        self._services: set[str] = set()
        self._read_at = self._failed_at = self._begun_at = float("-inf")
        self._wanted = self._done = 0
        self._reading: asyncio.Task[None] | None = None
        self._used: set[int] = set()
        self._is_listening = False

    def listen(self, is_listening: bool) -> None:
        """``is_listening``: from now on `change` is called for every change."""
        self._is_listening = is_listening
        if is_listening:
            self.change()

    def change(self) -> None:
        """The credentials have changed, so the table is read again."""
        self._wanted += 1
        self._start()

    async def verify(self, name: str, secret: str) -> ActiveCredential:
        """Raises InvalidCredential, the same for an unknown service and a wrong secret, and Unavailable
        when no table could be read since the start."""
        wanted = digest(secret)
        found = self._find(name, wanted)
        if found is None or not self._is_current():
            await self._refresh(is_known=found is not None)
            found = self._find(name, wanted)
        if found is None:
            if self._read_at == float("-inf"):
                raise Unavailable("registry", "its database is away, so no credential can be checked.")
            raise InvalidCredential(
                "Send HTTP Basic with the service's name and its SERVICE_SECRET. If it was set only "
                "now, run `./manage.py registry sync_credentials`."
            )
        self._used.add(found.pk)
        return found

    def knows_service(self, name: str) -> bool:
        return name in self._services

    def take_used(self) -> set[int]:
        """The primary keys of the credentials that were used since the last call."""
        used, self._used = self._used, set()
        return used

    def _find(self, name: str, wanted: str) -> ActiveCredential | None:
        found = self._table.get(wanted)
        if found is None or not hmac.compare_digest(found.service.encode(), name.encode()):
            return None
        return found

    def _is_current(self) -> bool:
        return self._is_listening and self._wanted == self._done

    async def _refresh(self, *, is_known: bool) -> None:
        now = self._clock()
        if now - self._failed_at < READ_AGAIN_S:
            return
        if self._is_current() and now - self._read_at < READ_AGAIN_S:
            return
        if self._reading is None and self._wanted == self._done:
            self._wanted += 1
        reading = self._start()
        if not is_known:
            await asyncio.shield(reading)
        elif self._clock() - self._begun_at < KNOWN_WAITS_S:
            await asyncio.wait({reading}, timeout=KNOWN_WAITS_S)

    def _start(self) -> "asyncio.Task[None]":
        if self._reading is None:
            self._begun_at = self._clock()
            self._reading = asyncio.ensure_future(self._read_table())
        return self._reading

    async def _read_table(self) -> None:
        """Read until nothing has changed since the read began."""
        try:
            while self._done != self._wanted:
                wanted = self._wanted
                self._table = await self._read()
                self._services = {credential.service for credential in self._table.values()}
                self._done, self._read_at = wanted, self._clock()
        except (Unavailable, OperationalError, InterfaceError):
            self._failed_at = self._clock()
        finally:
            self._reading = None
