"""The last good key set on disk, so that a process can verify tokens when it starts while users is away."""

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

from atoll.identity.jwks import KeySetOf

log = logging.getLogger(__name__)


class KeyFile:
    """Never raises: without the file a process fetches the key set before its first token."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def load_into(self, keys: KeySetOf[Any]) -> None:
        if self._path is None:
            return
        try:
            keys.adopt(json.loads(self._path.read_text()))
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            log.warning("the token keys kept on disk cannot be used: %s", error)

    def save(self, document: Any) -> None:
        """Readers find the old set or the new one, never a part."""
        if self._path is None:
            return
        try:
            fresh = self._path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(document))
            fresh.replace(self._path)
        except OSError as error:
            log.info("the token keys are not kept on disk: %s", error)
