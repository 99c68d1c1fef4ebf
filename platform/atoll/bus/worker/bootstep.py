"""What turns a plain Celery worker into a whole one: a step of its start and stop."""

import os
import signal
import sys
import threading
import time
from collections.abc import Collection
from typing import Any

import structlog
from celery import bootsteps
from celery.signals import worker_shutting_down
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from atoll import conf, process_title
from atoll.bus import contracts
from atoll.bus.broker import transports
from atoll.bus.delivery import attempt_slots, in_flight
from atoll.bus.handlers.attendance import Attendance
from atoll.bus.inbox import quarantine, senders
from atoll.bus.operations import retention
from atoll.bus.worker import settings_check, watchdog
from atoll.bus.worker.hints import Hints
from atoll.bus.worker.threads import Host
from atoll.bus.worker.watchdog import Guard
from atoll.bus.worker.worker_registration import Presence
from atoll.postgresql import bound, budget
from atoll.server import starting

log = structlog.get_logger("atoll.bus")

# Handlers, ingest and relay share an interpreter. One that waits for its turn waits this long at most,
# not Python's 5 ms, which at 200 events a second was half of the time from commit to handler.
SWITCH_INTERVAL_S = 0.0005
# From SIGTERM to the moment where what still runs is cut off and given back.
GRACE_S = 6.5


class BusStep(bootsteps.StartStopStep):
    """Starts after the pool, so that its threads and sockets are not forked with the first children."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        try:
            starting.refuse_start()
            settings_check.refuse_unsafe(worker.app)
            settings_check.refuse_unsafe_worker(worker)
            senders.refuse_start()
            transports.current().refuse_mismatch()
            retention.configured_periods()
            quarantine.configured()
            contracts.refuse_unknown_names()
        except ImproperlyConfigured as error:
            # Celery would show a traceback, or log it and go on.
            raise SystemExit(f"The worker does not start. {error}") from None
        # Before the pool forks its children.
        bound.hold_to(budget.BESIDE_HANDLERS + worker.concurrency, in_children=budget.IN_CHILD)
        self._host: Host | None = None
        self._attendance = Attendance()
        self._presence = Presence()
        self._exit_code = os.EX_OK
        self._is_leaving = False

    def start(self, worker: Any) -> None:
        process_title.show(settings.ATOLL_PROJECT, "worker")  # in place of Celery's own
        attempt_slots.stay()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._pool = worker.pool
        self._guard = Guard(self._children, self._leave_stuck)
        self._guard.start()
        worker_shutting_down.connect(self._leave)
        settings_check.report_database()
        self._attendance.start()
        if conf.flag("BUS_IN_WORKER", default=True):
            self._host = Host(Hints(worker.app), self._presence)
            self._host.start()
        else:
            self._presence.ready()

    def stop(self, worker: Any) -> None:
        self._attendance.stop()
        if self._host:
            self._host.stop()
        self._presence.gone()
        # Python gives handlers up before it has ended: one more signal would look like a crash.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def terminate(self, worker: Any) -> None:
        self.stop(worker)

    def _leave(self, **_: Any) -> None:
        """On the first signal; a second one changes nothing about what the first began."""
        if self._is_leaving:
            return
        self._is_leaving = True
        attempt_slots.leave()
        self._presence.leaving()
        threading.Thread(target=self._end, name="grace", daemon=True).start()

    def _leave_stuck(self) -> None:
        self._exit_code = os.EX_SOFTWARE
        os.kill(os.getpid(), signal.SIGTERM)

    def _end(self) -> None:
        time.sleep(GRACE_S)
        self._guard.stop()
        cut_off = attempt_slots.entries(self._children())
        for entry in cut_off:
            watchdog.kill(entry.pid)
        released = in_flight.abandon(cut_off)
        log.warning("worker cut off after its grace period", grace_s=GRACE_S, released=released)
        # The kernel ends the children with their parent.
        os._exit(self._exit_code)

    def _children(self) -> Collection[int]:
        """The process ids of a prefork pool's children; none for threads, or once the pool has gone."""
        processes = getattr(getattr(self._pool, "_pool", None), "_pool", ())
        return {process.pid for process in list(processes)}
