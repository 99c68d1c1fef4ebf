"""Whether the registry would accept a secret now."""

import asyncio

from registry.http.keys import Keys
from registry.usecases.credentials import Key, live


def accepted(service: str, secret: str) -> Key:
    """Raises InvalidCredential."""
    table = live()

    async def read() -> dict[str, Key]:
        return table

    return asyncio.run(Keys(read).verify(service, secret))
