"""The last list of instances that the registry gave, on disk.

With it a process that starts while the registry is away finds other services. All processes of one
home share the files, and each file may be deleted at any time.
"""

import json
import logging
import os
import threading
from pathlib import Path

from atoll.discovery.instances import Instance

logger = logging.getLogger(__name__)


class LastGood:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, service: str) -> list[Instance] | None:
        """None when there is no readable file."""
        try:
            values = json.loads(self._path(service).read_text())
            return [Instance.from_wire(value) for value in values]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def saved_at(self, service: str) -> float | None:
        """Seconds since 1970. None when there is no file."""
        try:
            return self._path(service).stat().st_mtime
        except OSError:
            return None

    def save(self, service: str, instances: list[Instance]) -> None:
        """Replace the whole file. When the disk cannot be written, log it and raise nothing."""
        path = self._path(service)
        fresh = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps([instance.to_wire() for instance in instances]))
            fresh.replace(path)
        except OSError as error:
            logger.debug("last_good_not_written: %s", error)

    def _path(self, service: str) -> Path:
        return self._folder / f"{service}.json"
