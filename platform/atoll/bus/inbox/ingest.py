"""Ingest: from the service's two queues into its inbox.

A message is acknowledged after the commit that stored it and is never requeued, so that no redelivery
limit, consumer time-out or requeue rule of a broker matters. While the database is away nothing is
consumed: the broker keeps the messages.

Where a handler is ordered, one process of the service consumes and the others stand by: two would
store a key's messages in any order (docs/decisions/0030).

Handlers are enrolled before their keys are bound, so that the first message of a new binding finds its
handler known. Bindings are made again every few seconds, in case that somebody deleted one.
"""

import threading
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, connection

from atoll.backoff import Backoff, jittered
from atoll.bus import faults
from atoll.bus.broker import transports
from atoll.bus.broker.consumer import Consumer
from atoll.bus.broker.messages import Arrival
from atoll.bus.broker.transport import Transport
from atoll.bus.handlers import enrolment, known
from atoll.bus.inbox import consumer_lock
from atoll.bus.inbox.consumer_status import ConsumerStatus
from atoll.bus.inbox.receiving import FastPath, receive, refuse
from atoll.bus.inbox.store import LockIsShared
from atoll.bus.inbox.suspects import Suspects

log = structlog.get_logger("atoll.bus")

PREFETCH = 200
BATCH = 100
# With handlers to run, a batch is a commit, and its first message waits for its last one.
FAST_BATCH = 20
POLL_S = 0.5
# While a backlog waits in the inbox.
LOOK_S = 0.001
RESTORE_EVERY_S = 2.0
STAND_BY_S = 1.0
SETTLE_S = 0.2

Hint = Callable[[Sequence[UUID]], None]


class Ingestor:
    """One consumer of the service's queues, with a thread, a broker connection and a database connection
    of its own. It reconnects by itself."""

    def __init__(self, hint: Hint, *, runs_handlers: bool = True, fast_path: FastPath | None = None) -> None:
        """``runs_handlers`` is False in ``PROJECT bus``. Without ``fast_path`` it runs no handlers itself."""
        self._hint = hint
        self._fast_path = fast_path
        self._batch = FAST_BATCH if fast_path else BATCH
        self._runs_handlers = runs_handlers
        self._stopping = threading.Event()
        self.consuming = threading.Event()
        # Consuming, or standing by for another process that does.
        self.ready = threading.Event()
        self.status = ConsumerStatus()
        self._suspects = Suspects()
        self._is_alone = False
        self._backoff = Backoff()

    def run(self) -> None:
        """Until ``stop``."""
        while not self._stopping.is_set():
            transport = transports.current()
            consumer = transport.consumer()
            try:
                connection.ensure_connection()
                if self._fast_path:
                    self._fast_path.session_began()
                consumer.open()
                enrolment.register(runs_handlers=self._runs_handlers)
                if self._wait_for_lock(consumer):
                    self._consume(consumer)
                pause_s = self._backoff.failed()
            except LockIsShared:
                pause_s = self._backoff.failed()
                log.info("ingest makes way, a handler of another version is ordered")
            except BaseException as error:
                # Any error: trying again is better than a service that receives nothing.
                pause_s = self._backoff.failed()
                self._note_interruption(error, transport, consumer, retry_in_s=pause_s)
            finally:
                self.consuming.clear()
                self.ready.clear()
                # The broker has our messages back before the lock is free for the next consumer.
                consumer.close()
                connection.close()
            self._stopping.wait(pause_s)

    def stop(self) -> None:
        """Messages that are not stored yet go back to the broker unacknowledged."""
        self._stopping.set()

    def _note_interruption(
        self, error: BaseException, transport: Transport, consumer: Consumer, *, retry_in_s: float
    ) -> None:
        is_transient = isinstance(error, transport.transient_errors)
        self.status.mark_interrupted(error, is_away=is_transient and transport.is_away(error))
        in_hand = consumer.in_hand()
        if in_hand and not isinstance(error, (OperationalError, InterfaceError)):
            self._suspects.interrupted(in_hand)
        log.error(
            "ingest interrupted, trying again",
            error=repr(error),
            in_s=round(retry_in_s, 1),
            exc_info=not is_transient,
        )

    def _wait_for_lock(self, consumer: Consumer) -> bool:
        """Stand by until this process may consume; False when told to stop.

        With an ordered handler it consumes alone. Without one it consumes beside the other processes
        of the service that have none either.
        """
        has_waited = False
        while not consumer_lock.take(alone=self._wants_to_be_alone()):
            if not has_waited:
                log.info("ingest standing by, another instance consumes")
            has_waited = True
            self.ready.set()
            self.status.mark_running()
            consumer.keep_alive()
            if self._stopping.wait(jittered(STAND_BY_S)):
                return False
            known.reload()
        # The broker may need a moment to put back the messages of a consumer that ended.
        return not (has_waited and self._stopping.wait(SETTLE_S))

    def _wants_to_be_alone(self) -> bool:
        self._is_alone = known.roster().has_ordered
        return self._is_alone

    def _consume(self, consumer: Consumer) -> None:
        one_by_one = self._suspects.is_careful
        queues = consumer.start(1 if one_by_one else PREFETCH)
        self.consuming.set()
        self._backoff.reset()
        self.ready.set()
        self.status.mark_running()
        log.info("ingest consuming", queues=queues, one_by_one=one_by_one)
        next_restore = time.monotonic() + RESTORE_EVERY_S
        # Messages are taken one by one until the suspect is out of the way.
        while not self._stopping.is_set() and one_by_one == self._suspects.is_careful:
            is_behind = self._fast_path is not None and self._fast_path.is_behind.is_set()
            if arrivals := consumer.take(1 if one_by_one else self._batch, LOOK_S if is_behind else POLL_S):
                self._store(consumer, arrivals)
            if is_behind:
                self._work_off(is_alone=not arrivals)
            consumer.keep_alive()
            if time.monotonic() > next_restore:
                if known.reload().has_ordered != self._is_alone:
                    raise LockIsShared
                consumer.restore()
                next_restore = time.monotonic() + RESTORE_EVERY_S

    def _store(self, consumer: Consumer, arrivals: Sequence[Arrival]) -> None:
        faults.point("ingest.before_store")
        condemned = [arrival for arrival in arrivals if self._suspects.condemned(arrival)]
        for arrival in condemned:
            refuse(arrival, "Receiving broke whenever this message came, so it was not read.")
        fresh = receive(
            [arrival for arrival in arrivals if arrival not in condemned],
            self._fast_path,
            lets_new_pass=consumer.lets_new_pass,
        )
        faults.point("ingest.after_store")
        consumer.acknowledge()
        self._suspects.stored(arrivals)
        if fresh:
            self._hint(fresh)

    def _work_off(self, *, is_alone: bool) -> None:
        if self._fast_path and (left := self._fast_path.work_off(is_alone=is_alone)):
            self._hint(left)
