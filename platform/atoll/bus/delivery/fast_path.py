"""The fast path: the consumer runs handlers in the transaction that stores their messages.

A batch of messages, the effects of their handlers, the messages that these publish, and "done" are one
commit; then the batch is acknowledged. There is no hint, no claim and no Celery task.

It is safe for these reasons. A process that ends before the commit leaves nothing behind, and the broker
brings the messages again. One that ends after it has only not acknowledged: the inbox drops the copies. A
batch that fails is undone and stored the counted way, with a hint for each delivery, and the worker's pool
runs each by itself. A message that may have ended a process before is counted at once: one that the
broker brings again, and the first ones after a start.

A backlog makes way. Where new messages pass the service's queue (broker/amqp_passing.py), its old ones run
like all others, in small batches. Elsewhere old messages of a crowd are only stored, and between two looks at
its queue the consumer runs some of them, again several in one transaction (``work_off``).

The pool runs every delivery that needs it: retries, timers and replays; handlers with ``before``, with
``run="pool"``, and those that are slow or failed lately; lanes in which something waits. A free place of this
worker's pool gets a new delivery without a hint, stored as claimed (worker/handover.py). docs/decisions/0067
and 0076 have the reasons.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

import structlog
from django.db import InterfaceError, connection, transaction

from atoll import tracing
from atoll.bus import faults
from atoll.bus.broker.envelope import Envelope
from atoll.bus.delivery import attempt_slots, lanes, statements
from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery.handler_speed import HandlerSpeed
from atoll.bus.delivery.shared_run import Run, first_attempt, guard_hooks, log_done, must_be_sound, run_now
from atoll.bus.delivery.store import Claim
from atoll.bus.handlers import known, registry
from atoll.bus.handlers.registry import Handler
from atoll.bus.inbox import consumer_lock
from atoll.bus.inbox import store as inbox
from atoll.bus.inbox.store import Delivery, LockIsShared, Unhandled
from atoll.postgresql import driver

log = structlog.get_logger("atoll.bus")

# A process that has just started may be the successor of one that a message ended. Its first messages
# take the counted path: FIRST of them, in FIRST_S seconds at most. FIRST is the consumer's prefetch.
FIRST = 200
FIRST_S = 3.0
# A statement or a wait for a lock that takes longer ends the batch, and the pool runs its deliveries.
SETTINGS = """
SET LOCAL statement_timeout = '2s';
SET LOCAL lock_timeout = '500ms';
SET LOCAL idle_in_transaction_session_timeout = '{}s';
"""
# After so long without a statement PostgreSQL ends the session of a consumer whose host is gone. One that
# consumes alone keeps its lock until the broker has its messages back (inbox/consumer_lock.py).
IDLE_S, IDLE_ALONE_S = 30, 90
# Of a backlog, so many deliveries run between two looks at the queue: few while new messages come.
SLICE, SLICE_ALONE = 5, 20
# The pool works off a backlog when this path has found nothing to run in it for so long.
FRUITLESS_S = 3.0
SESSION_ENDED = "The session with the consumer's lock has ended."


class Pool(Protocol):
    """``atoll.bus.worker.handover.Handover``, which this room does not know."""

    def free(self) -> int: ...

    def held(self) -> Mapping[UUID, int]: ...

    def run(self, claim: Claim) -> None: ...


class FastPath:
    """Stores batches for one consumer and runs their handlers, on the consumer's thread.

    ``is_behind`` is set while a backlog may wait for ``work_off``; other threads set it, too.
    """

    def __init__(self, first: int = FIRST, pool: Pool | None = None) -> None:
        """``first`` messages take the counted path. Without a ``pool`` all its deliveries get hints."""
        self.is_behind = threading.Event()
        self.is_behind.set()
        self.speed = HandlerSpeed()
        # At a start the pool leaves the backlog to this path for a while.
        self._worked_off_at = time.monotonic()
        self._first_left = first
        self._first_until: float | None = None
        self._pool = pool
        self._runs: dict[UUID, Run] = {}
        self._handed_over: dict[UUID, Claim] = {}
        self._running: Run | None = None
        self._began_at = 0.0
        self._ended: list[tuple[Run, float]] = []
        self._spans = tracing.Held()

    def store(
        self,
        messages: Sequence[Envelope],
        *,
        counted: Collection[str],
        new: Collection[str],
        old: Collection[str],
        runs_old: bool,
    ) -> list[Delivery] | None:
        """Store the messages and run handlers; the new deliveries, or None when the batch was undone.

        The last arguments are dedupe keys. Messages that are ``counted`` take the counted path. ``new`` ones
        may run directly after a start. ``old`` ones that may not run wait for ``work_off``. Raises
        LockIsShared and Unhandled as ``inbox.store.add`` does, and the database's error when the session has
        ended.
        """
        if attempt_slots.is_leaving():
            return None
        stored: list[Delivery] = []
        kept = {*counted, *self._first(messages, new), *(() if runs_old else old)}

        def begin(wanted: Sequence[Delivery]) -> list[Delivery]:
            return self._begin(wanted, kept, old)

        def run() -> None:
            began = time.monotonic()
            stored[:] = inbox.add(messages, without_hint=old, begin=begin, settings=_settings())
            self.speed.stored(time.monotonic() - began)
            self._run_all([run for one in stored if (run := self._runs.get(one.id))])
            lanes.end_running(stored)

        is_stored = self._in_one_transaction(run)
        if is_stored and self._pool:
            for claim in [claim for one in stored if (claim := self._handed_over.get(one.id))]:
                self._pool.run(claim)
        if not is_stored or any(one.status == "pending" and one.envelope.dedupe_key in old for one in stored):
            self.is_behind.set()
        return stored if is_stored else None

    def work_off(self, *, is_alone: bool = False) -> list[UUID]:
        """Run some of the longest due deliveries. Returns the deliveries that want a hint instead.

        ``is_alone``: no new message came at the last look. Clears ``is_behind`` when there are none.
        """
        if attempt_slots.is_leaving():
            return []
        claims = self._mark_due(SLICE_ALONE if is_alone else SLICE)
        if not claims:
            self.is_behind.clear()
            self._worked_off_at = float("-inf")
            return []
        self._worked_off_at = time.monotonic()
        runs = {claim.id: Run(claim, handler) for claim in claims if (handler := self._code(claim))}

        def run() -> None:
            with connection.cursor() as cursor:
                cursor.execute(_settings() + statements.DONE_IN_BATCH, {"ids": [*runs]})
                driver.to_last_result(cursor)
                begun = {identifier for (identifier,) in cursor.fetchall()}
            self._run_all([one for one in runs.values() if one.claim.id in begun])

        if self._in_one_transaction(run):
            return [claim.id for claim in claims if claim.id not in runs]
        return [claim.id for claim in claims]

    def session_began(self) -> None:
        """The consumer has a new database session: it owns what the former one claimed for the pool."""
        if self._pool and (held := self._pool.held()):
            deliveries.adopt(held)

    def note_backlog(self) -> bool:
        """Many deliveries are due. False when ``work_off`` found none of them lately."""
        self.is_behind.set()
        return time.monotonic() - self._worked_off_at < FRUITLESS_S

    def _in_one_transaction(self, run: Callable[[], None]) -> bool:
        """False when it failed and was undone. Raises InterfaceError when the session has ended.

        Django opens another session by itself, and that has no consumer's lock.
        """
        self._running, self._ended = None, []
        session = connection.connection
        if session is None:
            raise InterfaceError(SESSION_ENDED)
        try:
            with transaction.atomic():
                run()
                faults.point("fast.before_commit")
        except (LockIsShared, Unhandled):
            raise
        except BaseException as error:
            # A handler may raise anything, and must not end the consumer's thread.
            if connection.connection is not session:
                raise InterfaceError(SESSION_ENDED) from error
            self._spans.release(undone=True)
            self._note_failure(error)
            return False
        if connection.connection is not session:
            raise InterfaceError(SESSION_ENDED)
        self._spans.release()
        log_done(self._ended)
        return True

    def _first(self, messages: Sequence[Envelope], new: Collection[str]) -> set[str]:
        """The dedupe keys of those that are among the first messages after the start."""
        if self._first_until is None:
            self._first_until = time.monotonic() + FIRST_S
        if self._first_left <= 0 or time.monotonic() > self._first_until:
            return set()
        first = {message.dedupe_key for message in messages if message.dedupe_key not in new}
        self._first_left -= len(first)
        return first

    def _begin(
        self, wanted: Sequence[Delivery], counted: Collection[str], old: Collection[str]
    ) -> list[Delivery]:
        """The deliveries with the status that they are stored with.

        The first one of a lane is stored as running and ends as done: by the unique index of running
        deliveries no other process runs one of its lane meanwhile.
        """
        self._runs, self._handed_over = {}, {}
        free = self._pool.free() if self._pool else 0
        waiting = lanes.with_waiting(wanted)
        begun: dict[tuple[str, str], int] = {}
        read: set[str] = set()
        decided: list[Delivery] = []
        for delivery in wanted:
            lane = (delivery.handler_id, delivery.lane)
            claim = first_attempt(delivery)
            message, position = delivery.envelope, delivery.envelope.key_sequence or 0
            is_overtaken = bool(delivery.lane) and position < begun.get(lane, 0)
            is_free = message.dedupe_key not in counted and lane not in waiting and not is_overtaken
            handler = self._code(claim) if is_free else None
            if handler is None:
                if delivery.lane:
                    waiting.add(lane)
                may_go = message.dedupe_key not in old and len(self._handed_over) < free
                decided.append(self._for_pool(delivery, claim) if may_go else delivery)
                continue
            status = "running" if delivery.lane and lane not in begun else "done"
            begun[lane] = position
            decided.append(replace(delivery, status=status))
            # The handlers of one message must not see what another one changes in its data.
            data = None if message.dedupe_key in read else message.data
            read.add(message.dedupe_key)
            self._runs[claim.id] = Run(claim, handler, data)
        return decided

    def _for_pool(self, delivery: Delivery, claim: Claim) -> Delivery:
        """The delivery, handed over to the pool if that may run it now."""
        if delivery.lane or not known.code_for(claim.handler_id, claim.kind, claim.name):
            return delivery
        self._handed_over[claim.id] = claim
        return replace(delivery, status="handed over")

    def _mark_due(self, limit: int) -> list[Claim]:
        roster = known.reload_if_old()
        fast = [handler for handler in registry.handlers() if self._is_fast(handler)]
        names = {
            name for handler in fast for name in (*handler.ids, *roster.names_of(roster.name_of(handler)))
        }
        values: dict[str, Any] = {"runnable": sorted(names), "limit": limit, "grace_s": inbox.HINT_GRACE_S}
        with connection.cursor() as cursor:
            cursor.execute(statements.MARK_FOR_BATCH, values)
            driver.to_last_result(cursor)
            return [Claim(*row) for row in cursor.fetchall()]

    def _code(self, claim: Claim) -> Handler | None:
        """The code of the handler when the handler may run on this path."""
        handler = known.code_for(claim.handler_id, claim.kind, claim.name)
        return handler if handler and self._is_fast(handler) else None

    def _is_fast(self, handler: Handler) -> bool:
        return handler.before is None and handler.run != "pool" and self.speed.is_fast(handler.id)

    def _run_all(self, runs: Sequence[Run]) -> None:
        for run in runs:
            self._running, self._began_at = run, time.monotonic()
            session, hooks = connection.connection, len(connection.run_on_commit)
            took_s = run_now(run, self._spans)
            must_be_sound(session)
            guard_hooks(run.claim, hooks)
            self.speed.ran(run.handler.id, took_s)
            self._ended.append((run, took_s))
        self._running = None

    def _note_failure(self, error: BaseException) -> None:
        handler = self._running.handler.id if self._running else ""
        if handler:
            self.speed.failed(handler, time.monotonic() - self._began_at)
        log.info("batch undone, its deliveries run one by one", handler=handler, error=repr(error))


def _settings() -> str:
    return SETTINGS.format(IDLE_S if consumer_lock.is_shared() else IDLE_ALONE_S)
