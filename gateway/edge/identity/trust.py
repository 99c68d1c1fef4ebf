"""The foreign issuers of the published table, each with its keys."""

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atoll.identity.foreign.discovery import discover
from atoll.identity.foreign.issuers import Issuer
from atoll.identity.foreign.outside import Rules
from atoll.identity.foreign.signing_keys import SigningKey, read_signing_keys
from atoll.identity.jwks import KeySetOf
from gateway.edge.identity.key_source import KeySource

UNKNOWN_KEY_EVERY_S = 10.0
FETCH_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Trusted:
    issuer: Issuer
    source: KeySource[SigningKey]


class Trust:
    """``folder`` keeps the last good key set of each issuer."""

    def __init__(self, rules: Rules | None = None, folder: Path | None = None) -> None:
        self._rules = rules or Rules()
        self._folder = folder
        self._trusted: dict[str, Trusted] = {}

    def replace(self, issuers: Iterable[Issuer]) -> bool:
        """Whether anything has changed. An issuer that is the same keeps its keys."""
        fresh = {issuer.issuer: self._held(issuer) or self._trust(issuer) for issuer in issuers}
        has_changed = fresh != self._trusted
        self._trusted = fresh
        return has_changed

    def find(self, issuer: str) -> Trusted | None:
        return self._trusted.get(issuer)

    @property
    def is_empty(self) -> bool:
        return not self._trusted

    def refresh_if_due(self) -> None:
        """Fetch the keys that are too old in the background. Needs a running event loop."""
        for trusted in self._trusted.values():
            trusted.source.refresh_if_due()

    def without_keys(self) -> list[str]:
        """The names of the issuers whose keys could not be fetched yet."""
        return sorted(one.issuer.name for one in self._trusted.values() if not one.source.keys.loaded)

    def _held(self, issuer: Issuer) -> Trusted | None:
        held = self._trusted.get(issuer.issuer)
        return held if held is not None and held.issuer == issuer else None

    def _trust(self, issuer: Issuer) -> Trusted:
        async def fetch() -> Any:
            found = await asyncio.wait_for(asyncio.to_thread(discover, issuer, self._rules), FETCH_TIMEOUT_S)
            return found.jwks

        keys = KeySetOf(read_signing_keys, unknown_every_s=UNKNOWN_KEY_EVERY_S)
        return Trusted(issuer, KeySource(issuer.name, keys, fetch, self._file_of(issuer)))

    def _file_of(self, issuer: Issuer) -> Path | None:
        if self._folder is None:
            return None
        place = hashlib.sha256(f"{issuer.issuer} {issuer.jwks_url}".encode()).hexdigest()
        return self._folder / f"{place[:32]}.json"
