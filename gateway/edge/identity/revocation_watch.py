"""Keeps the list of revocations current in an event loop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from atoll.identity.jwks import Refresh
from atoll.identity.principal import Principal
from atoll.identity.revocations import Revocations
from gateway.edge.error_responses import ErrorResponse

log = logging.getLogger(__name__)

WAIT_S = 1.0


class RevocationWatch:
    """``fetch`` may raise OSError, ValueError and ErrorResponse. Without it no token is revoked."""

    def __init__(
        self, fetch: Callable[[], Awaitable[Any]] | None, revocations: Revocations | None = None
    ) -> None:
        self._fetch = fetch
        self._revocations = revocations or Revocations()
        self._catching_up: asyncio.Task[None] | None = None
        self._is_away = False

    def is_current(self) -> bool:
        """Whether `covers` may answer now. Starts a fetch when one is due."""
        if self._fetch is None:
            return True
        if self._revocations.due() is not Refresh.NO:
            self._catching_up = asyncio.get_running_loop().create_task(self._catch_up(self._fetch))
        return self._catching_up is None or not self._revocations.is_stale

    async def catch_up(self) -> None:
        """Wait for the running fetch, WAIT_S at most."""
        if not self.is_current() and self._catching_up is not None:
            await asyncio.wait({self._catching_up}, timeout=WAIT_S)

    def covers(self, principal: Principal) -> bool:
        return self._revocations.covers(principal)

    async def _catch_up(self, fetch: Callable[[], Awaitable[Any]]) -> None:
        try:
            self._revocations.accept(await fetch())
            self._is_away = False
        except (ErrorResponse, OSError, ValueError) as error:
            self._revocations.fail()
            if not self._is_away:
                log.warning(
                    "revocations could not be fetched, tokens stay valid until they expire: %s", error
                )
            self._is_away = True
        except BaseException:
            self._revocations.fail()
            raise
