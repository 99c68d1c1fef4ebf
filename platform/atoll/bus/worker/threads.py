"""The threads of one process, of a worker or of ``PROJECT bus``: ingest, relay, sweeper, retention, and the
reporter of failures."""

import threading
import time

import structlog
from django.db import DatabaseError, InterfaceError, connection

from atoll import conf
from atoll.bus.broker import transports
from atoll.bus.delivery.fast_path import FastPath
from atoll.bus.delivery.sweeper import Sweeper
from atoll.bus.inbox import readiness
from atoll.bus.inbox.consumer_status import Problem
from atoll.bus.inbox.ingest import Ingestor
from atoll.bus.operations.retention import Janitor
from atoll.bus.outbox.relay import Relay
from atoll.bus.worker.failure_reporter import FailureReporter
from atoll.bus.worker.hints import Hints
from atoll.bus.worker.worker_registration import WorkerRegistration

log = structlog.get_logger("atoll.bus")

STOP_TIMEOUT_S = 3.0
FIRST_LOOK_EVERY_S = 0.1
LOOK_EVERY_S = 1.0
REPORT_EVERY_S = 5.0


class WorkerThreads:
    """Ingest and relay with a database and a broker connection each, the sweeper with a database connection,
    and retention and the reporter of failures, which connect now and then."""

    def __init__(
        self,
        hints: Hints,
        registration: WorkerRegistration,
        *,
        runs_handlers: bool = True,
        fast_path: FastPath | None = None,
    ) -> None:
        """``runs_handlers`` is False in ``PROJECT bus``; ``fast_path`` is as for ``Ingestor``."""
        self._ingestor = Ingestor(hints, runs_handlers=runs_handlers, fast_path=fast_path)
        self._relay = Relay(runs_handlers=runs_handlers)

        def work_off() -> None:
            if not (fast_path and fast_path.note_backlog()):
                hints.send_empty()

        self._sweeper = Sweeper(
            hints, work_off, may_hint=self._relay.connected.is_set, runs_handlers=runs_handlers
        )
        self._janitor = Janitor()
        self._reporter = FailureReporter() if conf.has_registry() else None
        self._registration = registration
        self._threads = [
            threading.Thread(target=self._ingestor.run, name="ingest", daemon=True),
            threading.Thread(target=self._relay.run, name="relay", daemon=True),
            threading.Thread(target=self._sweeper.run, name="sweeper", daemon=True),
            threading.Thread(target=self._janitor.run, name="retention", daemon=True),
        ]
        if self._reporter:
            self._threads.append(threading.Thread(target=self._reporter.run, name="failures", daemon=True))
        self._watching = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Returns at once. The registration becomes ready when the relay is connected and ingest consumes or
        stands by, and unready when that does not last."""
        if not transports.current().capabilities.is_durable:
            log.warning(
                "the embedded broker is for one machine: it may lose a message when the machine crashes"
            )
        for thread in (*self._threads, self._watching):
            thread.start()

    def stop(self) -> None:
        """Let each thread finish its batch and give its claims back, for STOP_TIMEOUT_S at most."""
        self._stopping.set()
        self._ingestor.stop()
        self._relay.stop()
        self._sweeper.stop()
        self._janitor.stop()
        if self._reporter:
            self._reporter.stop()
        for thread in self._threads:
            thread.join(STOP_TIMEOUT_S)

    def _watch(self) -> None:
        """Tell the registration when messages are received, when not, and when again."""
        said: str | None = None  # None: nothing yet. Empty: messages are received. Else: the problem.
        next_report = 0.0
        while not self._stopping.is_set():
            problem = self._ingestor.status.problem()
            has_begun = self._ingestor.ready.is_set() and self._relay.connected.is_set()
            changes = False
            if problem and not said:
                self._registration.unready(problem.text)
                said, changes = problem.text, True
            elif not problem and has_begun and said != "":
                self._registration.ready()
                said, changes = "", True
            now = time.monotonic()
            if said is not None and (changes or now >= next_report):
                _report(problem)
                next_report = now + REPORT_EVERY_S
            self._stopping.wait(FIRST_LOOK_EVERY_S if said is None else LOOK_EVERY_S)


def _report(problem: Problem | None) -> None:
    """Write the state down for web processes, on a connection that is closed at once."""
    try:
        readiness.report(problem)
    except (DatabaseError, InterfaceError) as error:
        log.warning("the state of the consumer cannot be written down", error=str(error).strip())
    finally:
        connection.close()
