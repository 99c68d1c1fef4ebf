"""The step of a Celery worker's start and stop that adds the threads of the bus."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

import structlog
from celery import bootsteps
from celery.signals import worker_shutting_down
from django.core.exceptions import ImproperlyConfigured

from atoll import conf, process_title, tracing
from atoll.bus import contracts
from atoll.bus.broker import transports
from atoll.bus.delivery import attempt_slots, in_flight
from atoll.bus.delivery.fast_path import FastPath
from atoll.bus.handlers.attendance import Attendance
from atoll.bus.inbox import quarantine, senders
from atoll.bus.operations import retention
from atoll.bus.worker import settings_check, watchdog
from atoll.bus.worker.handover import Handover
from atoll.bus.worker.hints import Hints
from atoll.bus.worker.threads import WorkerThreads
from atoll.bus.worker.watchdog import Watchdog
from atoll.bus.worker.worker_registration import WorkerRegistration
from atoll.conf import options
from atoll.postgresql import bound, budget
from atoll.server import starting
from atoll.server.identity import instance_id

log = structlog.get_logger("atoll.bus")

# The threads of a worker share an interpreter. A thread waits this long at most for its turn, not Python's
# 5 ms: those were half of the time from commit to handler at 200 events a second.
SWITCH_INTERVAL_S = 0.0005
# From SIGTERM until attempts that still run are cut off and given back.
GRACE_S = 6.5


class BusStep(bootsteps.StartStopStep):
    """Starts after the pool, so that the first children inherit neither its threads nor its sockets."""

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
            # For other exceptions Celery shows a traceback, or logs it and goes on.
            raise SystemExit(f"The worker does not start. {error}") from None
        # Before the pool forks its children.
        service = conf.service_name()
        tracing.start(tracing.Origin(conf.project_name(), service, instance_id(service), "worker"))
        bound.hold_to(budget.BESIDE_HANDLERS + worker.concurrency, in_children=budget.IN_CHILD)
        self._threads: WorkerThreads | None = None
        self._attendance = Attendance()
        self._registration = WorkerRegistration()
        self._exit_code = os.EX_OK
        self._is_leaving = False

    def start(self, worker: Any) -> None:
        process_title.show(conf.project_name(), "worker")  # in place of Celery's own
        attempt_slots.stay()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._pool = worker.pool
        self._watchdog = Watchdog(self._children, self._leave_stuck)
        self._watchdog.start()
        worker_shutting_down.connect(self._leave)
        settings_check.report_database()
        self._attendance.start()
        if options.BUS_IN_WORKER.value():
            # A handler in a prefork pool has a process of its own, which it may end.
            is_fast = options.BUS_FAST_PATH.value(conf.project_name()) and not self._children()
            hints = Hints(worker.app)
            handover = Handover(self._submit, worker.concurrency, hints)
            self._threads = WorkerThreads(
                hints, self._registration, fast_path=FastPath(pool=handover) if is_fast else None
            )
            self._threads.start()
        else:
            self._registration.ready()

    def stop(self, worker: Any) -> None:
        self._attendance.stop()
        if self._threads:
            self._threads.stop()
        self._registration.gone()
        # Python gives handlers up before it has ended: one more signal would look like a crash.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def terminate(self, worker: Any) -> None:
        self.stop(worker)

    def _leave(self, **_: Any) -> None:
        """Begin to leave at the first signal; further signals change nothing."""
        if self._is_leaving:
            return
        self._is_leaving = True
        attempt_slots.leave()
        self._registration.leaving()
        threading.Thread(target=self._end, name="grace", daemon=True).start()

    def _submit(self, function: Callable[[], None]) -> None:
        self._pool.apply_async(function, callback=lambda _: None)

    def _leave_stuck(self) -> None:
        self._exit_code = os.EX_SOFTWARE
        os.kill(os.getpid(), signal.SIGTERM)

    def _end(self) -> None:
        time.sleep(GRACE_S)
        self._watchdog.stop()
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
