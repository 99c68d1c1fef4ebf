"""The relay: from the outbox to the broker.

One relay of a service publishes, the holder (holder.py); the relays of its other processes stand by, with
their connections open. A loop over the database that remembers nothing between two steps: a broker that
comes back finds the whole backlog, and so does the next holder. Before the first step, and every few seconds,
each relay makes the queues and bindings that are missing (broker/bindings.py).
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from django.db import connection

from atoll.backoff import Backoff, jittered
from atoll.bus import claim_owner, faults, message_spans
from atoll.bus.broker import transports
from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.publisher import Outcome, Publisher
from atoll.bus.handlers import enrolment, known
from atoll.bus.outbox import holder, wakeup
from atoll.bus.outbox import store as outbox
from atoll.bus.outbox.pace import BATCH, Pace
from atoll.bus.outbox.relay_log import log_batch
from atoll.postgresql.listening import Subscription

log = structlog.get_logger("atoll.bus")

TAKE_OVER_EVERY_S = 1.0
KEEP_ALIVE_EVERY_S = 2.0


def step(to: Publisher, rows: Sequence[Outgoing] | None = None) -> int:
    """Publish ``rows``, or the due ones, and mark them; how many rows those were.

    If the process ends in between, the rows are still due, and the receivers' inboxes drop the second copies.
    Raises the broker's error after it has marked the rows that are not in doubt.
    """
    rows = outbox.due(BATCH) if rows is None else rows
    if not rows:
        return 0
    faults.point("relay.after_read")
    try:
        outcome = to.publish(rows)
        faults.point("relay.after_publish")
    except Exception as error:
        outcome = Outcome(error=error)
    faults.point("relay.before_mark")
    outbox.mark_published(outcome.published)
    outbox.mark_refused(outcome.refused)
    outbox.mark_unroutable(outcome.unroutable)
    log_batch(rows, outcome)
    message_spans.published(rows, outcome.published, outcome.refused | outcome.unroutable)
    if outcome.error:
        raise outcome.error
    return len(rows)


class Relay:
    """Publishes, or stands by, on a thread, a database connection and a broker connection of its own."""

    def __init__(
        self,
        open_publisher: Callable[[], Publisher] = transports.open_prepared_publisher,
        *,
        runs_handlers: bool = True,
    ) -> None:
        """``runs_handlers`` is False in ``PROJECT bus``."""
        self._runs_handlers = runs_handlers
        self._open_publisher = open_publisher
        self._next_keep_alive = 0.0
        self._stopping = threading.Event()
        # Set while this process's handlers are known, their queues are there and the broker answers.
        self.connected = threading.Event()
        # Set while this relay is the holder.
        self.holds = threading.Event()

    def run(self) -> None:
        """Until ``stop``."""
        backoff = Backoff()
        while not self._stopping.is_set():
            to: Publisher | None = None
            pause_s = 0.0
            try:
                # First the handlers, then their queues, then messages: this service may send to itself.
                enrolment.register(runs_handlers=self._runs_handlers)
                to = self._open_publisher()
                self._prepare_session()
                self.connected.set()
                backoff.reset()
                if self._stand_by(to):
                    self._work(to)
            except Exception as error:
                # After any error the relay must go on with the backlog.
                pause_s = backoff.failed()
                log.error(
                    "relay interrupted, trying again",
                    error=repr(error),
                    in_s=round(pause_s, 1),
                    exc_info=not isinstance(error, transports.transient_errors()),
                )
            finally:
                self.connected.clear()
                self.holds.clear()
                connection.close()
                if to:
                    to.close()
            self._stopping.wait(pause_s)

    def stop(self) -> None:
        """End after the current batch."""
        self._stopping.set()

    def _prepare_session(self) -> None:
        """The session does not wait for the disk: when PostgreSQL loses power, messages are published
        a second time, and the receivers drop the second copies."""
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
        claim_owner.enable_keepalives()

    def _stand_by(self, to: Publisher) -> bool:
        """Wait until this relay is the holder; False when it is stopped before."""
        while not holder.take():
            if not holder.end_silent():
                self._keep_alive(to)
            if self._stopping.wait(jittered(TAKE_OVER_EVERY_S)):
                return False
        return True

    def _work(self, to: Publisher) -> None:
        with wakeup.answering() as bell:
            news, pace, next_turn = Subscription(wakeup.CHANNEL), Pace(), 0.0
            self.holds.set()
            log.info("relay publishes, those of other processes stand by")
            while not self._stopping.is_set():
                self._keep_alive(to)
                # Both, and before each batch: a relay at full speed through a backlog never waits.
                has_news = bell.silence() | bool(news.take())
                if has_news or time.monotonic() >= next_turn:
                    step(to, pace.read())
                    next_turn = time.monotonic() + pace.pause_s()
                pause_s = min(next_turn, self._next_keep_alive) - time.monotonic()
                if to.socket() in news.wait(pause_s, to.socket(), bell):
                    to.keep_alive()

    def _keep_alive(self, to: Publisher) -> None:
        if time.monotonic() >= self._next_keep_alive:
            # The queues are bound to the keys of the known handlers.
            known.reload_if_old()
            to.keep_alive()
            self._next_keep_alive = time.monotonic() + KEEP_ALIVE_EVERY_S
