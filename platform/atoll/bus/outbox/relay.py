"""The relay: from the outbox to the broker.

A loop over the database that remembers nothing between two steps: a broker that comes back finds the
whole backlog, and several relays share it. Before the first step, and every few seconds, the relay makes
the queues and bindings that are missing (broker/bindings.py).
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from django.db import connection

from atoll.backoff import Backoff
from atoll.bus import claim_owner, faults
from atoll.bus.broker import transports
from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.publisher import Outcome, Publisher
from atoll.bus.handlers import enrolment, known
from atoll.bus.outbox import store as outbox
from atoll.postgresql.listening import Subscription

log = structlog.get_logger("atoll.bus")

BATCH = 500
# NOTIFY wakes the relay; the poll finds the rows of a lost notification, a released claim or a refusal.
POLL_EVERY_S = 1.0
# While new messages come and old ones wait, the relay publishes the old ones in slices with pauses, so
# that they do not fill the receivers' queues before the new ones. Alone they go at full speed.
SLICE = 50
PAUSE_S = 0.05
NEWS_S = 2.0
KEEP_ALIVE_EVERY_S = 2.0


def step(
    to: Publisher, claim: Callable[[int], list[Outgoing]] = outbox.claim, limit: int | None = None
) -> int:
    """Claim a batch, publish it and mark it; how many rows were claimed.

    If the process ends in between, the rows come back when their lease ends, and the receivers' inboxes
    drop the second copies. Raises the broker's error after giving back the rows that are in doubt.
    """
    rows = claim(limit or BATCH)
    if not rows:
        return 0
    faults.point("relay.after_claim")
    try:
        outcome = to.publish(rows)
        faults.point("relay.after_publish")
    except Exception as error:
        outcome = Outcome(error=error)
    faults.point("relay.before_mark")
    _mark(rows, outcome)
    _log(rows, outcome)
    if outcome.error:
        raise outcome.error
    return len(rows)


def _mark(rows: Sequence[Outgoing], outcome: Outcome) -> None:
    outbox.mark_published(outcome.published)
    for row_id, reason in outcome.refused.items():
        outbox.mark_refused(row_id, reason)
    outbox.mark_unroutable(outcome.unroutable)
    settled = {*outcome.published, *outcome.refused, *outcome.unroutable}
    outbox.release([row.id for row in rows if row.id not in settled])


def _log(rows: Sequence[Outgoing], outcome: Outcome) -> None:
    published = set(outcome.published)
    for row in rows:
        facts = {
            "message_type": row.name,
            "message_id": str(row.message_id),
            "correlation_id": row.correlation_id,
        }
        if row.id in published:
            log.info("message published", **facts)
        elif row.id in outcome.refused:
            log.error("message refused by the broker", reason=outcome.refused[row.id], **facts)
        elif row.id in outcome.unroutable:
            log.error("message kept, a receiver would miss it", reason=outcome.unroutable[row.id], **facts)


class Relay:
    """Publishes on a thread, a database connection and a broker connection of its own."""

    def __init__(
        self,
        open_publisher: Callable[[], Publisher] = transports.open_prepared_publisher,
        *,
        runs_handlers: bool = True,
    ) -> None:
        """``runs_handlers`` is False in ``PROJECT bus``."""
        self._runs_handlers = runs_handlers
        self._is_behind = False
        self._news_at = self._next_slice = float("-inf")
        self._open_publisher = open_publisher
        self._stopping = threading.Event()
        # Set while this process's handlers are known, their queues are there and the broker answers.
        self.connected = threading.Event()

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
                news = self._prepare_session()
                self.connected.set()
                backoff.reset()
                self._work(to, news)
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
                connection.close()
                if to:
                    to.close()
            self._stopping.wait(pause_s)

    def stop(self) -> None:
        """End after the current batch. No row stays claimed."""
        self._stopping.set()

    def _prepare_session(self) -> Subscription:
        """Listen for new rows.

        The session does not wait for the disk: when PostgreSQL loses power, messages are published a second
        time, and the receivers drop the second copies.
        """
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
        claim_owner.enable_keepalives()
        return Subscription(outbox.CHANNEL)

    def _work(self, to: Publisher, news: Subscription) -> None:
        next_poll = next_keep_alive = 0.0
        while not self._stopping.is_set():
            now = time.monotonic()
            if now >= next_keep_alive:
                # The queues are bound to the keys of the known handlers.
                known.reload_if_old()
                to.keep_alive()
                next_keep_alive = now + KEEP_ALIVE_EVERY_S
            # Before each batch, since a relay at full speed through a backlog never waits.
            has_news = bool(news.take())
            if has_news:
                self.note_news(now)
            if has_news or now >= next_poll:
                next_poll = now + self.publish(to, now)
                if next_poll <= now:
                    continue
            if news.wait(min(next_poll, next_keep_alive) - time.monotonic(), to.socket()):
                to.keep_alive()

    def publish(self, to: Publisher, now: float) -> float:
        """Publish due messages, in a backlog the new ones first. Returns the seconds until the next batch."""
        if self._is_behind:
            step(to, outbox.claim_new)
            if now < self._next_slice:
                return self._next_slice - now
        shares = self._is_behind and now - self._news_at < NEWS_S
        limit = SLICE if shares else BATCH
        self._is_behind = step(to, limit=limit) == limit
        if not self._is_behind:
            return POLL_EVERY_S
        if not shares:
            return 0.0
        self._next_slice = now + PAUSE_S
        return PAUSE_S

    def note_news(self, now: float) -> None:
        """A message was published at ``now``, on the monotonic clock."""
        self._news_at = now
