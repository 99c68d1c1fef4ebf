"""Holds the routing table of this process and replaces it with newer ones.

A request keeps its table to its end; the next request uses the new one. An invalid table changes
nothing.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.edge.routes import snapshot
from gateway.edge.routes.routing import Table

log = logging.getLogger(__name__)

OnChange = Callable[[Table], None]


class Tables:
    """``current`` is None until the first table."""

    def __init__(self, kept: Path, on_change: OnChange) -> None:
        self._kept = kept
        self._on_change = on_change
        self.current: Table | None = None

    @property
    def version(self) -> int:
        return self.current.version if self.current is not None else 0

    def start(self) -> None:
        """Use the last good table from disk, if there is one."""
        found = snapshot.load(self._kept)
        if found is not None:
            self._take(Table(found))

    def publish(self, document: dict[str, Any]) -> None:
        """Use the table and save it on disk. An invalid table is logged and ignored."""
        try:
            fresh = Table(snapshot.read(document))
        except snapshot.InvalidConfiguration as error:
            log.error("a published routing table is invalid, the last good one stays: %s", error)
            return
        self._take(fresh)
        try:
            snapshot.save(self._kept, document)
        except OSError as error:
            log.warning("the routing table could not be saved: %s", error)

    def _take(self, table: Table) -> None:
        self.current = table
        self._on_change(table)
        log.info("routing_table", extra={"version": table.version, "routes": len(table.snapshot.routes)})
