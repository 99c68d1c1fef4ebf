"""The credentials of services in memory, so that a valid one costs no query and no other caller's
failure stands in its way (docs/decisions/0053)."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable

from django.db import InterfaceError, OperationalError

from atoll.errors import Unavailable
from registry.usecases.credentials import InvalidCredential, Key, digest

# A secret that is not in the table may be new: the table is read again, at most this often.
READ_AGAIN_S = 1.0
# A caller whose secret is known waits so long for the table that is being read, no longer.
KNOWN_WAITS_S = 0.25

Table = dict[str, Key]


class Keys:
    """The digests of all live credentials. While changes are heard (`listen`) the table is the
    truth; otherwise, and for a secret it does not know, it is read again before it refuses.

    A database that is away, or hangs, leaves the table as it was last read.
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
        """Whether every change is told by `change` from now on."""
        self._is_listening = is_listening
        if is_listening:
            self.change()

    def change(self) -> None:
        """Something changed: what was read before is no longer trusted."""
        self._wanted += 1
        self._start()

    async def verify(self, name: str, secret: str) -> Key:
        """Raises InvalidCredential, the same one for an unknown service and a wrong secret;
        Unavailable when no table could ever be read."""
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
        """The credentials that were used since this was last asked."""
        used, self._used = self._used, set()
        return used

    def _find(self, name: str, wanted: str) -> Key | None:
        key = self._table.get(wanted)
        if key is None or not hmac.compare_digest(key.service.encode(), name.encode()):
            return None
        return key

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
            self._reading = asyncio.ensure_future(self._take())
        return self._reading

    async def _take(self) -> None:
        """Until nothing has changed since the reading began."""
        try:
            while self._done != self._wanted:
                wanted = self._wanted
                self._table = await self._read()
                self._services = {key.service for key in self._table.values()}
                self._done, self._read_at = wanted, self._clock()
        except (Unavailable, OperationalError, InterfaceError):
            self._failed_at = self._clock()
        finally:
            self._reading = None
