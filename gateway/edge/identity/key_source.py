"""Keeps a key set fresh in an event loop: one fetch at a time, and the last good set on disk."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from atoll.identity.jwks import KeySetOf, Refresh
from atoll.identity.key_file import KeyFile
from gateway.edge.error_responses import ErrorResponse

log = logging.getLogger(__name__)

K = TypeVar("K")
Fetch = Callable[[], Awaitable[Any]]


class KeySource(Generic[K]):
    """``fetch`` gets the document of the set. It may raise OSError, ValueError and ErrorResponse."""

    def __init__(self, owner: str, keys: KeySetOf[K], fetch: Fetch, keep: Path | None = None) -> None:
        self.keys = keys
        self._owner = owner
        self._fetch = fetch
        self._file = KeyFile(keep)
        self._refreshing: asyncio.Task[None] | None = None
        self._file.load_into(keys)

    async def find(self, kid: str) -> K | None:
        """The key of that id. Waits for a running fetch only when the key is not known."""
        found = self.keys.find(kid)
        if found.refresh is not Refresh.NO:
            self._start()
        if found.key is None and self._refreshing is not None:
            await asyncio.shield(self._refreshing)
            return self.keys.peek(kid)
        return found.key

    def refresh_if_due(self) -> None:
        """Fetch a set that is too old in the background. Needs a running event loop."""
        if self.keys.due():
            self._start()

    def _start(self) -> None:
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    async def _refresh(self) -> None:
        try:
            document = await self._fetch()
            self.keys.accept(document)
        except (ErrorResponse, OSError, ValueError) as error:
            self.keys.fail()
            log.warning(
                "the token keys of %s could not be fetched, the last keys stay: %s", self._owner, error
            )
            return
        except BaseException:
            self.keys.fail()
            raise
        self._file.save(document)
