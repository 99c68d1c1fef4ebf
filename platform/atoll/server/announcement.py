"""Registers a server that answers, and takes it out of discovery before it stops."""

import http.client
import logging
import ssl
import threading

from atoll import conf
from atoll.server import lifecycle
from atoll.server.registration import Registration

logger = logging.getLogger(__name__)

PROBE_TIMEOUT_S = 2.0
PROBE_INTERVAL_S = 0.05


class Announcement:
    """`start` registers the server once it answers; `withdraw` deregisters it.

    Without a registration it only tells the state.

    After `withdraw` the server answers for another ``DRAIN_LINGER_S`` seconds. Callers learn of the
    change in less time, and the requests that they sent before are served.
    """

    def __init__(self, registration: Registration | None, host: str, port: int, *, tls: bool = False) -> None:
        """``tls``: the server speaks HTTPS. Its certificate need not name ``host``, which is this machine."""
        self._registration = registration
        self._host = host
        self._port = port
        self._tls = tls
        self._withdrawn = threading.Event()
        self._linger_s = conf.options.DRAIN_LINGER_S.value(conf.project_name())

    def start(self) -> None:
        """Work in the background and return at once."""
        threading.Thread(target=self._announce, name="announcement", daemon=True).start()

    def follow(self, status: str) -> None:
        """Take over the status that an operator set in the registry: ``draining`` or ``ok``."""
        if not self._withdrawn.is_set():
            lifecycle.set_state("draining" if status == "draining" else "ready")

    def withdraw(self, hurry: threading.Event) -> None:
        """Return when the server can close without a lost request, or as soon as ``hurry`` is set."""
        self._withdrawn.set()
        lifecycle.set_state("draining")
        if self._registration:
            self._registration.stop()
        hurry.wait(self._linger_s)

    def _announce(self) -> None:
        while not self._answers():
            if self._withdrawn.wait(PROBE_INTERVAL_S):
                return
        if self._withdrawn.is_set():
            return
        lifecycle.set_state("ready")
        logger.info("ready: http://%s:%s", self._host, self._port)
        if self._registration:
            self._registration.start()

    def _connection(self) -> http.client.HTTPConnection:
        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=PROBE_TIMEOUT_S)
        unverified = ssl._create_unverified_context()  # noqa: S323
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=PROBE_TIMEOUT_S, context=unverified
        )

    def _answers(self) -> bool:
        connection = self._connection()
        try:
            connection.request("GET", "/health/live")
            # 404 or 400 is the answer of a project that has no such page, or does not know this host name.
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
