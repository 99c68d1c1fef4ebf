"""Asks whether the registry accepts a secret now."""

import asyncio

from registry.http.credentials import CredentialCache
from registry.usecases.credentials import ActiveCredential, active_credentials


def accepted(service: str, secret: str) -> ActiveCredential:
    """Raises InvalidCredential."""
    table = active_credentials()

    async def read() -> dict[str, ActiveCredential]:
        return table

    return asyncio.run(CredentialCache(read).verify(service, secret))
