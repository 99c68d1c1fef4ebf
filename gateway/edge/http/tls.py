"""TLS towards clients, by the standard library."""

import asyncio
import logging
import ssl
from pathlib import Path

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0


class TLS:
    """``context`` takes new connections. TLS 1.2 and newer. Raises OSError and ssl.SSLError."""

    def __init__(self, certificate: Path, key: Path | None) -> None:
        self._certificate = certificate
        self._key = key
        self._seen = self._look()
        self.context = self._load()

    def reload(self) -> None:
        """Use the present content of the files for new connections. Faulty files leave the last good ones."""
        seen = self._look()
        try:
            self.context = self._load()
        except (OSError, ssl.SSLError) as error:
            log.error(
                "the certificate in %s cannot be used, the last one stays: %s", self._certificate, error
            )
        else:
            log.info("the certificate in %s is in use", self._certificate)
        self._seen = seen

    async def keep_fresh(self) -> None:
        """Reload when a file has changed, until the task is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.reload_if_changed()

    def reload_if_changed(self) -> None:
        if self._look() != self._seen:
            self.reload()

    def _load(self) -> ssl.SSLContext:
        """A context of its own: a key that does not fit would spoil the one in use."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._certificate, self._key)
        return context

    def _look(self) -> list[tuple[int, int, int] | None]:
        """What changes when a file is written, or replaced by another."""
        found: list[tuple[int, int, int] | None] = []
        for path in (self._certificate, self._key):
            try:
                status = path.stat() if path is not None else None
            except OSError:
                status = None
            found.append((status.st_mtime_ns, status.st_size, status.st_ino) if status is not None else None)
        return found
