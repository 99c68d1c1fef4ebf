"""The relay: from the outbox to the broker, and the sweep of due deliveries beside it.

A stateless loop over the database: nothing is remembered between two steps, so
a broker that comes back finds the whole backlog, and several relays share it.
Before the first step, and every few seconds, queues and bindings are made that
are missing (bindings.py).
"""

import random
import select
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.db import connection

from atoll.bus import claim_owner, faults
from atoll.bus.broker import transports
from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.publisher import Outcome, Publisher
from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery.lanes import Waking
from atoll.bus.handlers import enrolment, known, retiring
from atoll.bus.inbox.ingest import Hint
from atoll.bus.outbox import store as outbox

log = structlog.get_logger("atoll.bus")

BATCH = 500
SWEEP_BATCH = 20
SWEEP_EVERY_S = 1.0
TAKE_BACK_EVERY_S = 5.0
WAKE_LANES_EVERY_S = 2.0
# NOTIFY wakes the relay; this finds what a lost notification, a released claim or a refusal left.
POLL_EVERY_S = 1.0
# Where old messages wait and new ones come, the old ones are published in slices with pauses, so
# that they do not fill the receivers' queues before the new ones. Alone they go at full speed.
SLICE = 50
PAUSE_S = 0.05
NEWS_S = 2.0
KEEP_ALIVE_EVERY_S = 2.0
FIRST_BACKOFF_S = 0.2
LAST_BACKOFF_S = 10.0


def step(
    to: Publisher, claim: Callable[[int], list[Outgoing]] = outbox.claim, limit: int | None = None
) -> int:
    """Claim a batch, publish it, mark it; how many rows were claimed.

    Killed anywhere in between, the rows come back when their lease ends, and the
    receivers' inboxes drop what they had already. Raises the broker's error
    after giving back what is in doubt.
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
    outbox.mark_published(outcome.published)
    for row_id, reason in outcome.refused.items():
        outbox.mark_refused(row_id, reason)
    outbox.mark_unroutable(outcome.unroutable)
    settled = {*outcome.published, *outcome.refused, *outcome.unroutable}
    outbox.release([row.id for row in rows if row.id not in settled])
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
    if outcome.error:
        raise outcome.error
    return len(rows)


class Relay:
    """Steps for ever on a thread, a database connection and a broker connection of its own."""

    def __init__(
        self,
        hint: Hint,
        open_publisher: Callable[[], Publisher] = transports.open_prepared_publisher,
        drain: Callable[[], None] | None = None,
        *,
        attends: bool = True,
    ) -> None:
        """``drain`` is called when more is due than is worth a hint each; without it each gets one.
        ``attends``: this process runs handlers, too."""
        self._hint = hint
        self._attends = attends
        self._drain = drain
        self._is_behind = False
        self._news_at = self._next_slice = float("-inf")
        self._open_publisher = open_publisher
        self._stopping = threading.Event()
        self.connected = threading.Event()

    def run(self) -> None:
        """Until ``stop``."""
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set():
            to: Publisher | None = None
            try:
                # First the handlers, then their queues, then messages: one to ourselves must arrive.
                enrolment.register(attends=self._attends)
                to = self._open_publisher()
                self._prepare_session()
                self.connected.set()
                backoff_s = FIRST_BACKOFF_S
                self._work(to)
            except Exception as error:
                # Whatever it is, the backlog must move again once it is over.
                log.error(
                    "relay interrupted, trying again",
                    error=repr(error),
                    in_s=round(backoff_s, 1),
                    exc_info=not isinstance(error, transports.transient_errors()),
                )
            finally:
                self.connected.clear()
                connection.close()
                if to:
                    to.close()
            self._stopping.wait(random.uniform(backoff_s / 2, backoff_s))  # noqa: S311
            backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)

    def stop(self) -> None:
        """The batch under way is finished; nothing stays claimed."""
        self._stopping.set()

    def _prepare_session(self) -> None:
        """Listen; and wait for no disk, since all a relay writes may be lost with the server's
        power: a message is then published twice, and the receivers drop the second."""
        with connection.cursor() as cursor:
            cursor.execute(f"SET synchronous_commit = off; LISTEN {outbox.CHANNEL}")
        claim_owner.enable_keepalives()

    def _work(self, to: Publisher) -> None:
        next_poll = next_sweep = next_keep_alive = next_take_back = next_waking = 0.0
        lanes = Waking()
        while not self._stopping.is_set():
            now = time.monotonic()
            if now >= next_keep_alive:
                to.keep_alive()
                next_keep_alive = now + KEEP_ALIVE_EVERY_S
            if now >= next_take_back:
                self._take_back()
                next_take_back = now + TAKE_BACK_EVERY_S
            if now >= next_waking:
                if known.reload().has_ordered:
                    lanes.step()
                retiring.discard_left_over()
                next_waking = now + WAKE_LANES_EVERY_S
            if now >= next_sweep:
                swept = deliveries.sweep(SWEEP_BATCH, attends=self._attends)
                if swept:
                    self._hint(swept)
                next_sweep = now + SWEEP_EVERY_S
                if len(swept) == SWEEP_BATCH:
                    if self._drain:
                        self._drain()
                    else:
                        next_sweep = now
            # Asked in any case: at full speed through a backlog this is where news is noticed.
            has_news = self._was_notified()
            if has_news or now >= next_poll:
                next_poll = now + self.publish(to, now)
                if next_poll <= now:
                    continue
            if self._wait(to, min(next_poll, next_sweep) - time.monotonic()):
                next_poll = 0.0

    def publish(self, to: Publisher, now: float) -> float:
        """Publish what is due, new messages first where there is a backlog; seconds until the next look."""
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
        """Somebody announced something."""
        self._news_at = now

    def _take_back(self) -> None:
        """What processes held that are gone, first of all the one we were started to replace."""
        rows, attempts = outbox.take_back(), deliveries.take_back()
        if rows or attempts:
            log.warning("claims of ended processes taken back", messages=rows, deliveries=attempts)

    def _was_notified(self) -> bool:
        raw = connection.connection
        with connection.wrap_database_errors:
            raw.poll()
        found = bool(raw.notifies)
        raw.notifies.clear()
        if found:
            self.note_news(time.monotonic())
        return found

    def _wait(self, to: Publisher, timeout_s: float) -> bool:
        """Sleep until the outbox has news, the broker speaks or time is up; whether there is news."""
        if self._was_notified():
            return True
        sockets: list[Any] = [connection.connection]
        broker = to.socket()
        if broker is not None:
            sockets.append(broker)
        readable, _, _ = select.select(sockets, [], [], min(max(timeout_s, 0.0), SWEEP_EVERY_S))
        if broker is not None and broker in readable:
            to.keep_alive()
        return connection.connection in readable and self._was_notified()
