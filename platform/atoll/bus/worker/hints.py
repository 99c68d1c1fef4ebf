"""The single Celery task: a hint that deliveries are due.

A lost hint costs time, since the sweep sends another. A repeated one costs a look at a row. So the broker
writes no hint to disk, and a failed one is hardly retried.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from celery import Celery
from django.db import InterfaceError, OperationalError, connection

from atoll.bus.broker import transports
from atoll.bus.delivery import attempt_slots, backlog, executor
from atoll.bus.worker.hint_sender import HintSender

log = structlog.get_logger("atoll.bus")

TASK = "atoll.deliver"
# Many deliveries share hints of at most this many, and so Celery's cost for each. Up to SPREAD deliveries
# get a hint each, so that they run side by side.
MAX_DELIVERIES = 10
SPREAD = 8
# A broker that is short of memory takes no messages and still delivers some. After a send that took longer
# than PATIENCE_S, no hint is sent for REST_S, so that ingest does not wait for each batch.
PATIENCE_S = 1.0
REST_S = 5.0


class Hints:
    """Sends hints through one Celery application."""

    def __init__(self, app: Celery, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._sender = HintSender(app, TASK)
        self._clock = clock
        self._resting_until = 0.0

    def __call__(self, delivery_ids: Sequence[UUID]) -> None:
        """Send hints for the deliveries. Logs the broker's errors instead of raising them."""
        size = min(MAX_DELIVERIES, -(-len(delivery_ids) // SPREAD))
        self._send(
            ([str(identifier) for identifier in delivery_ids[start : start + size]],)
            for start in range(0, len(delivery_ids), size)
        )

    def send_empty(self) -> None:
        """Have each worker work off the backlog for CHAIN_S; one place of its pool stays free.

        Sends nothing while enough hints wait: they keep the workers busy when handlers are slow, and more
        of them would delay the hints for new deliveries.
        """
        until = time.time() + backlog.CHAIN_S
        workers, waiting = self._work_queue()
        wanted = workers * max(1, self._app.conf.worker_concurrency - 1)
        if waiting <= wanted:
            self._send(([], until) for _ in range(wanted))

    def go_on(self, until: float) -> None:
        """Send the empty hint again, behind the hints that wait, unless its time is up."""
        if time.time() < until:
            self._send([([], until)])

    def _work_queue(self) -> tuple[int, int]:
        """How many processes take hints, or 1 when the broker does not tell; how many hints wait."""
        transport = transports.current()
        try:
            with self._app.producer_or_acquire() as producer:
                queue = transport.names.work_queue(producer.channel)
                declared: Any = queue.queue_declare(passive=True)
        except transport.transient_errors:
            return 1, 0
        workers = declared.consumer_count if transport.capabilities.counts_consumers else 1
        return int(workers), int(declared.message_count)

    def _send(self, calls: Iterable[tuple[Any, ...]]) -> None:
        if self._clock() < self._resting_until:
            return
        began = self._clock()
        try:
            self._sender.send(list(calls))
        except transports.transient_errors() as error:
            waited_s = self._clock() - began
            self._resting_until = self._clock() + (REST_S if waited_s > PATIENCE_S else 0.0)
            log.warning("hint not sent, the sweep will repeat it", error=repr(error))


def register(app: Celery) -> None:
    """Add the task to an application."""
    hints = Hints(app)

    @app.task(name=TASK, ignore_result=True, shared=False)
    def deliver(delivery_ids: list[str], until: float = 0.0) -> None:
        if not delivery_ids:
            work_off(hints, until)
        for position, identifier in enumerate(delivery_ids):
            if attempt_slots.is_leaving():
                # The running handlers take the time until the exit; another worker takes the rest.
                hints([UUID(left) for left in delivery_ids[position:]])
                return
            delivery_id = UUID(identifier)
            with_a_new_session(partial(executor.execute, delivery_id, hint=hints), delivery_id)


def work_off(hints: Hints, until: float) -> None:
    """Run due deliveries for a slice of time, and go on with another empty hint while there are more."""
    try:
        if not attempt_slots.is_leaving() and backlog.work_off(hints):
            hints.go_on(until)
    except (OperationalError, InterfaceError) as error:
        connection.close()
        log.error("backlog waits for the database", error=str(error).strip())


def with_a_new_session(step: Callable[[], object], delivery_id: UUID) -> None:
    """Do the step of a delivery; once more on a new connection when the idle one had ended."""
    try:
        connection.ensure_connection()
        step()
    except (OperationalError, InterfaceError):
        connection.close()
        try:
            connection.ensure_connection()
            step()
        except (OperationalError, InterfaceError) as error:
            connection.close()
            log.error("delivery waits for the database", delivery=str(delivery_id), error=str(error).strip())
