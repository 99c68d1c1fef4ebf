"""Fetches ``/metrics`` of instances, a few at a time, within bounds of time and size."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import urllib3
from django.conf import settings

from registry.console.figures import exposition
from registry.console.figures.exposition import Scrape

TIMEOUT_S = 2.0
MAX_BYTES = 4 * 1024 * 1024
AT_ONCE = 4


@dataclass(frozen=True)
class Target:
    service: str
    instance_id: str
    address: str
    port: int
    registered_at: datetime

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{self.port}/metrics"


def may_ask(port: object) -> bool:
    """Whether an instance may have its metrics at ``port``: the rules for ports of instances hold."""
    return (
        isinstance(port, int)
        and settings.REGISTRY_LOWEST_PORT <= port <= 65535
        and port not in settings.REGISTRY_REFUSED_PORTS
    )


class Scraper:
    """Keeps connections between its rounds."""

    def __init__(self) -> None:
        self._http = urllib3.PoolManager(num_pools=64, maxsize=1, retries=False)
        self._executor = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="console-scrape")

    def ask_all(self, targets: Iterable[Target]) -> Iterator[tuple[Target, Scrape | None]]:
        """Each target with its figures, or None when it did not tell them."""
        known = list(targets)
        return zip(known, self._executor.map(self._ask, known), strict=True)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    def _ask(self, target: Target) -> Scrape | None:
        try:
            reply = self._http.request(
                "GET", target.url, timeout=TIMEOUT_S, redirect=False, preload_content=False
            )
            try:
                content = reply.read(MAX_BYTES + 1)
                whole = len(content) <= MAX_BYTES
                if whole:
                    reply.release_conn()
            finally:
                if reply.connection is not None:
                    reply.close()
            if reply.status != 200 or not whole:
                return None
            return exposition.read(content.decode())
        except (urllib3.exceptions.HTTPError, OSError, ValueError, KeyError):
            return None
