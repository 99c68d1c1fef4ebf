"""Finds who sends a request that is explained, with the authenticator of the edge."""

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from atoll.client import ServiceClient
from atoll.errors import AtollError
from atoll.identity.principal import Principal
from gateway.edge.authenticate import Authenticator
from gateway.edge.composition import KEYS_PATH, KEYS_SERVICE, REVOCATIONS_PATH
from gateway.edge.config import EdgeConfig
from gateway.edge.identity.trust import Trust
from gateway.edge.routes.snapshot import Snapshot
from gateway.explain.asked import Asked

if TYPE_CHECKING:
    from gateway.edge.exchange import Exchange

TIMEOUT_S = 3.0


@cache
def _config() -> EdgeConfig:
    return EdgeConfig.from_environment()


def caller(asked: Asked, snapshot: Snapshot) -> Principal | None:
    """None without a credential. Raises ErrorResponse for a bad one, and while there are no keys."""
    return asyncio.run(_caller(asked, snapshot))


async def _caller(asked: Asked, snapshot: Snapshot) -> Principal | None:
    config = _config()
    trust = Trust(config.issuer_rules, config.home / "gateway" / "issuers")
    authenticator = Authenticator(_fetcher(KEYS_PATH), _fetcher(REVOCATIONS_PATH), trust=trust)
    authenticator.use(snapshot.issuers, snapshot.consumers)
    return await authenticator.principal(cast("Exchange", asked))


def _fetcher(path: str) -> Any:
    async def fetch() -> Any:
        return await asyncio.to_thread(_get, path)

    return fetch


def _get(path: str) -> Any:
    """Raises OSError or ValueError."""
    try:
        reply = ServiceClient(KEYS_SERVICE, timeout_s=TIMEOUT_S).get(path, token=False)
        if reply.status != 200:
            raise ValueError(f"{KEYS_SERVICE} answered {reply.status}")
        return reply.json()
    except AtollError as error:
        raise OSError(str(error)) from error
