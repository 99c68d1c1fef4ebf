"""The state of a worker, told to its supervisor, to the log and, where there is one, to the registry."""

from typing import TYPE_CHECKING

import structlog

from atoll import conf
from atoll.bus.worker.exposition import serve_metrics
from atoll.conf import options
from atoll.server import lifecycle

if TYPE_CHECKING:
    from atoll.server.registration import Registration

log = structlog.get_logger("atoll.bus")


class WorkerRegistration:
    """Starting, then ready or unready by turns, then leaving, then gone."""

    def __init__(self) -> None:
        lifecycle.set_state("starting")
        metrics_port = serve_metrics()
        self._registration = _registration(metrics_port) if conf.has_registry() else None
        self._is_registered = False
        self._is_leaving = False

    def ready(self) -> None:
        """The worker receives messages; the first call registers it."""
        if self._is_leaving:
            return
        lifecycle.set_state("ready")
        log.info("worker ready")
        if self._registration and not self._is_registered:
            self._is_registered = True
            self._registration.start()

    def unready(self, reason: str) -> None:
        """The worker does not receive messages. Running handlers go on."""
        if self._is_leaving:
            return
        lifecycle.set_state("unready", reason)
        log.error("worker not ready", reason=reason)

    def leaving(self) -> None:
        self._is_leaving = True
        lifecycle.set_state("draining")

    def gone(self) -> None:
        if self._registration and self._is_registered:
            self._registration.stop()
        log.info("worker stopped")


def _registration(metrics_port: int | None) -> "Registration":
    # Its packages are needed with a registry alone.
    from atoll.server import listening
    from atoll.server.registration import Registration

    project = conf.project_name()
    host = listening.advertised_host("", options.ADVERTISE_HOST.value(project))
    return Registration.of_worker(project, host, metrics_port=metrics_port)
