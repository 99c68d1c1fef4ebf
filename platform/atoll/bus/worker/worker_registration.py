"""The state of a worker, told to its supervisor, to the registry and to the log."""

import structlog
from django.conf import settings

from atoll import conf
from atoll.bus.worker.exposition import serve_metrics
from atoll.server import lifecycle, listening
from atoll.server.registration import Registration

log = structlog.get_logger("atoll.bus")


class WorkerRegistration:
    """Starting, then ready or unready by turns, then leaving, then gone."""

    def __init__(self) -> None:
        lifecycle.set_state("starting")
        project = settings.ATOLL_PROJECT
        host = listening.advertised_host("", conf.variable("ADVERTISE_HOST", project))
        self._registration = Registration.of_worker(project, host, metrics_port=serve_metrics())
        self._is_registered = False
        self._is_leaving = False

    def ready(self) -> None:
        """The worker receives messages; the first call registers it."""
        if self._is_leaving:
            return
        lifecycle.set_state("ready")
        log.info("worker ready")
        if not self._is_registered:
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
        if self._is_registered:
            self._registration.stop()
        log.info("worker stopped")
