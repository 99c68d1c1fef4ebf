"""How a worker shows itself: to its supervisor, in the registry, in the log."""

import structlog
from django.conf import settings

from atoll import conf
from atoll.server import lifecycle, listening
from atoll.server.registration import Registration

log = structlog.get_logger("atoll.bus")


class Presence:
    """Ready, now and then unready, leaving once, gone once."""

    def __init__(self) -> None:
        lifecycle.set_state("starting")
        project = settings.ATOLL_PROJECT
        host = listening.advertised_host("", conf.variable("ADVERTISE_HOST", project))
        self._registration = Registration.of_worker(project, host)
        self._is_registered = False
        self._is_leaving = False

    def ready(self) -> None:
        """It consumes: say so, and keep saying so to the registry."""
        if self._is_leaving:
            return
        lifecycle.set_state("ready")
        log.info("worker ready")
        if not self._is_registered:
            self._is_registered = True
            self._registration.start()

    def unready(self, reason: str) -> None:
        """It does not, or not for long; what it is working on goes on."""
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
