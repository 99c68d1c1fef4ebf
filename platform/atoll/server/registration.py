"""Keeps one process registered until it stops.

The registry being away never stops the process: it is asked again, later and
later up to ten seconds, for ever. Every registration carries a higher
incarnation than the one before, so that a request which arrives late cannot
bring back what `stop` has taken out.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from atoll import conf
from atoll.backoff import Backoff, Draw
from atoll.conf import options
from atoll.discovery.answers import Heard
from atoll.discovery.instances import Instance
from atoll.discovery.registry import RegistryClient
from atoll.errors import AtollError, Conflict, NotFound
from atoll.server import log_level
from atoll.server.identity import describe, instance_id

logger = logging.getLogger(__name__)

DEREGISTER_TIMEOUT_S = 1.0


class Registration:
    """Registers on `start`, beats every ``HEARTBEAT_S`` (15) seconds, registers again when it
    was forgotten.

    ``service`` is the wire name when it is not the project's own (a worker registers as
    ``order-service.worker``). ``on_status`` hears ``"draining"`` or ``"ok"`` when it changes.
    """

    def __init__(
        self,
        project: str,
        host: str,
        port: int,
        metadata: dict[str, Any],
        *,
        service: str | None = None,
        on_status: Callable[[str], None] | None = None,
        registry: RegistryClient | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        jitter: Draw = random.uniform,
    ) -> None:
        self.service = service or conf.project(project).service
        self.instance = Instance(instance_id(self.service), host, port, metadata)
        self.is_registered = False
        self._registry = registry or RegistryClient(project)
        self._on_status = on_status
        self._status = "ok"
        self._incarnation = 0
        self._now_ms = now_ms
        self._jitter = jitter
        self._loggers = ("atoll", conf.project(project).package)
        self._log_level = ""
        self._backoff = Backoff(draw=jitter)
        self._heartbeat_s = options.HEARTBEAT_S.value(project)
        self._complaint: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registration", daemon=True)

    @classmethod
    def of_worker(
        cls, project: str, host: str, *, metrics_port: int | None = None, **options: Any
    ) -> "Registration":
        """A process without a port, visible in the registry under ``<service>.worker``.

        ``metrics_port`` is where it serves ``/metrics``.
        """
        service = f"{conf.project(project).service}.worker"
        metadata: dict[str, Any] = {"role": "worker", **describe(project)}
        if metrics_port is not None:
            metadata["metricsPort"] = metrics_port
        return cls(project, host, 0, metadata, service=service, **options)

    def start(self) -> None:
        # A killed process may have left a level behind.
        log_level.share("", 0, self._loggers)
        self._thread.start()

    def stop(self, *, timeout_s: float = DEREGISTER_TIMEOUT_S) -> None:
        """Out of discovery when it returns, or after ``timeout_s`` when the registry is away
        (then the lease runs out). Never raises; safe to call twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        log_level.share("", 0, self._loggers)
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if not self._incarnation:
            return
        try:
            self._registry.deregister(self.service, self.instance.id, self._incarnation, timeout_s=timeout_s)
        except AtollError as error:
            logger.warning("deregister_failed: %s", error)
        self.is_registered = False

    def step(self) -> float:
        """One call to the registry; seconds until the next one."""
        # A level ends in time though the registry be away.
        log_level.follow()
        try:
            if self.is_registered:
                self._hear(self._registry.heartbeat(self.service, self.instance.id, self._incarnation))
            else:
                self._incarnation = max(self._now_ms(), self._incarnation + 1)
                self._registry.register(self.service, self.instance, self._incarnation)
                self.is_registered = True
                logger.info("registered: %s as %s", self.service, self.instance.id)
        except (NotFound, Conflict) as error:
            return self._try_again(error, forgotten=True)
        except AtollError as error:
            return self._try_again(error, forgotten=False)
        self._backoff.reset()
        self._complaint = None
        return self._jitter(self._heartbeat_s * 0.9, self._heartbeat_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self.step())

    def _try_again(self, error: AtollError, *, forgotten: bool) -> float:
        if forgotten and self.is_registered:
            self.is_registered = False
            return 0.0
        if str(error) != self._complaint:
            self._complaint = str(error)
            logger.warning("registry_refused_or_away, asking again: %s", error)
        return self._backoff.failed()

    def _hear(self, heard: Heard) -> None:
        if heard.status != self._status:
            self._status = heard.status
            logger.info("operator_status: %s", heard.status)
            if self._on_status:
                self._on_status(heard.status)
        level, left_s = heard.log_level, min(heard.log_level_s, log_level.LONGEST_S)
        if level not in log_level.LEVELS or left_s <= 0:
            level = ""
        if level == self._log_level == "":
            return
        if level != self._log_level:
            # A warning, so that the lines tell the change at each level but error.
            logger.warning("log_level: %s", f"{level} for {left_s:.0f} s" if level else "as configured")
            self._log_level = level
        log_level.share(level, left_s, self._loggers)
