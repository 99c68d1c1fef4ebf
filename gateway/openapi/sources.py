"""Gets the OpenAPI documents of the services, and keeps the last good one of each in memory and on disk."""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from atoll.client import ServiceClient
from atoll.errors import AtollError

log = logging.getLogger(__name__)

Document = dict[str, Any]
FRESH_S = 60.0
RETRY_S = 5.0
TIMEOUT_S = 3.0
MAX_BYTES = 5_242_880
AT_ONCE = 8


def fetch(service: str) -> Document:
    """The document at the service's ``/schema``. Raises AtollError or ValueError."""
    reply = ServiceClient(service, timeout_s=TIMEOUT_S).get(
        "/schema", headers={"Accept": "application/json"}, token=False
    )
    if reply.status != 200 or len(reply.content) > MAX_BYTES:
        raise ValueError(f"{service} answered {reply.status} with {len(reply.content)} bytes")
    document = json.loads(reply.content)
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        raise ValueError(f"{service} answered with no OpenAPI document")
    return document


class Sources:
    """Thread-safe. A document is asked for again after ``FRESH_S``; a failed one after ``RETRY_S``."""

    def __init__(
        self,
        folder: Path,
        fetch: Callable[[str], Document] = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._fetch = fetch
        self._clock = clock
        self._held: dict[str, Document] = {}
        self._due_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def documents(self, services: Iterable[str]) -> dict[str, Document]:
        """The newest document of each service that ever answered; the others are left out."""
        wanted = sorted(set(services))
        with self._lock:
            due = [name for name in wanted if self._due_at.get(name, 0.0) <= self._clock()]
            if due:
                with ThreadPoolExecutor(AT_ONCE, "openapi") as threads:
                    list(threads.map(self._refresh, due))
            return {name: self._held[name] for name in wanted if name in self._held}

    def _refresh(self, service: str) -> None:
        try:
            document = self._fetch(service)
        except (AtollError, ValueError, RecursionError) as error:
            log.info("the document of %s cannot be had, the last good one stays: %s", service, error)
            self._due_at[service] = self._clock() + RETRY_S
            kept = self._held.get(service) or self._load(service)
            if kept is not None:
                self._held[service] = kept
            return
        self._held[service] = document
        self._due_at[service] = self._clock() + FRESH_S
        self._save(service, document)

    def _load(self, service: str) -> Document | None:
        try:
            kept = json.loads(self._path(service).read_text())
        except (OSError, ValueError):
            return None
        return kept if isinstance(kept, dict) else None

    def _save(self, service: str, document: Document) -> None:
        path = self._path(service)
        fresh = path.with_suffix(f".{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(document))
            fresh.replace(path)
        except OSError as error:
            log.debug("the document of %s cannot be kept: %s", service, error)

    def _path(self, service: str) -> Path:
        return self._folder / f"{service}.json"
