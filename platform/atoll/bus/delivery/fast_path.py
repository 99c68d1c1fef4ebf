"""The fast path: the consumer runs handlers in the transaction that stores their messages.

A batch of messages, the effects of their handlers, the messages that these publish, and "done" are one
commit; then the batch is acknowledged. There is no hint, no claim and no Celery task.

It is safe for these reasons. A process that ends before the commit leaves nothing behind, and the broker
brings the messages again. One that ends after it has only not acknowledged: the inbox drops the copies. A
batch that fails is undone and stored the counted way, with a hint for each delivery, and the worker's pool
runs each by itself. A message that may have ended a process before is counted at once: one that the
broker brings again, and the first ones after a start.

A backlog makes way: of a crowd, old messages are only stored. Between two looks at its queue the consumer
runs some of them, again several in one transaction (``work_off``).

The pool keeps every delivery that needs it: retries, timers and replays; handlers with ``before``, with
``run="pool"``, and those that are slow or failed lately; lanes in which something waits. docs/decisions/0067
has the reasons.
"""

import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog
from django.db import InterfaceError, connection, transaction

from atoll.bus import faults
from atoll.bus.broker.envelope import Envelope
from atoll.bus.delivery import attempt_slots, statements
from atoll.bus.delivery.handler_speed import HandlerSpeed
from atoll.bus.delivery.shared_run import Run, first_attempt, guard_hooks, must_be_sound, run_now
from atoll.bus.delivery.store import Claim
from atoll.bus.handlers import known, registry
from atoll.bus.handlers.registry import Handler
from atoll.bus.inbox import consumer_lock
from atoll.bus.inbox import store as inbox
from atoll.bus.inbox.store import Delivery, LockIsShared, Unhandled

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


class FastPath:
    """Stores batches for one consumer and runs their handlers, on the consumer's thread.

    ``is_behind`` is set while a backlog may wait for ``work_off``; other threads set it, too.
    """

    def __init__(self, first: int = FIRST) -> None:
        """``first`` messages take the counted path."""
        self.is_behind = threading.Event()
        self.is_behind.set()
        self.speed = HandlerSpeed()
        # At a start the pool leaves the backlog to this path for a while.
        self._worked_off_at = time.monotonic()
        self._first_left = first
        self._first_until: float | None = None
        self._runs: dict[UUID, Run] = {}
        self._running: Run | None = None

    def store(
        self, messages: Sequence[Envelope], *, counted: Collection[str], without_hint: Collection[str]
    ) -> list[Delivery] | None:
        """Store the messages and run handlers; the new deliveries, or None when the batch was undone.

        ``counted`` are the dedupe keys of messages that take the counted path. Messages ``without_hint``
        wait for ``work_off``. Raises LockIsShared and Unhandled as ``inbox.store.add`` does, and the
        database's error when the session has ended.
        """
        if without_hint:
            self.is_behind.set()
        if self._is_among_the_first(len(messages)) or attempt_slots.is_leaving():
            return None
        new: list[Delivery] = []

        def begin(wanted: Sequence[Delivery]) -> list[Delivery]:
            return self._begin(wanted, {*counted, *without_hint})

        def run() -> None:
            began = time.monotonic()
            new[:] = inbox.add(messages, without_hint=without_hint, begin=begin, settings=_settings())
            self.speed.stored(time.monotonic() - began)
            self._run_all([run for one in new if (run := self._runs.get(one.id))])
            _end_lanes(new)

        return new if self._in_one_transaction(run) else None

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
                begun = {identifier for (identifier,) in cursor.fetchall()}
            self._run_all([one for one in runs.values() if one.claim.id in begun])

        if self._in_one_transaction(run):
            return [claim.id for claim in claims if claim.id not in runs]
        return [claim.id for claim in claims]

    def note_backlog(self) -> bool:
        """Many deliveries are due. False when ``work_off`` found none of them lately."""
        self.is_behind.set()
        return time.monotonic() - self._worked_off_at < FRUITLESS_S

    def _in_one_transaction(self, run: Callable[[], None]) -> bool:
        """False when it failed and was undone. Raises InterfaceError when the session has ended.

        Django opens another session by itself, and that has no consumer's lock.
        """
        self._running = None
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
            self._note_failure(error)
            return False
        if connection.connection is not session:
            raise InterfaceError(SESSION_ENDED)
        return True

    def _is_among_the_first(self, count: int) -> bool:
        if self._first_until is None:
            self._first_until = time.monotonic() + FIRST_S
        if self._first_left <= 0 or time.monotonic() > self._first_until:
            return False
        self._first_left -= count
        return True

    def _begin(self, wanted: Sequence[Delivery], counted: Collection[str]) -> list[Delivery]:
        """The deliveries with the status that they are stored with.

        The first one of a lane is stored as running and ends as done: by the unique index of running
        deliveries no other process runs one of its lane meanwhile.
        """
        self._runs = {}
        waiting = _lanes_with_waiting(wanted)
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
                decided.append(delivery)
                continue
            status = "running" if delivery.lane and lane not in begun else "done"
            begun[lane] = position
            decided.append(replace(delivery, status=status))
            # The handlers of one message must not see what another one changes in its data.
            data = None if message.dedupe_key in read else message.data
            read.add(message.dedupe_key)
            self._runs[claim.id] = Run(claim, handler, data)
        return decided

    def _mark_due(self, limit: int) -> list[Claim]:
        roster = known.reload_if_old()
        fast = [handler for handler in registry.handlers() if self._is_fast(handler)]
        names = {
            name for handler in fast for name in (*handler.ids, *roster.names_of(roster.name_of(handler)))
        }
        values: dict[str, Any] = {"runnable": sorted(names), "limit": limit, "grace_s": inbox.HINT_GRACE_S}
        with connection.cursor() as cursor:
            cursor.execute(statements.MARK_FOR_BATCH, values)
            return [Claim(*row) for row in cursor.fetchall()]

    def _code(self, claim: Claim) -> Handler | None:
        """The code of the handler when the handler may run on this path."""
        handler = known.code_for(claim.handler_id, claim.kind, claim.name)
        return handler if handler and self._is_fast(handler) else None

    def _is_fast(self, handler: Handler) -> bool:
        return handler.before is None and handler.run != "pool" and self.speed.is_fast(handler.id)

    def _run_all(self, runs: Sequence[Run]) -> None:
        for run in runs:
            self._running = run
            session, hooks = connection.connection, len(connection.run_on_commit)
            took_s = run_now(run)
            must_be_sound(session)
            guard_hooks(run, hooks)
            self.speed.ran(run.handler.id, took_s)
        self._running = None

    def _note_failure(self, error: BaseException) -> None:
        handler = self._running.handler.id if self._running else ""
        if handler:
            self.speed.failed(handler)
        log.info("batch undone, its deliveries run one by one", handler=handler, error=repr(error))


def _settings() -> str:
    return SETTINGS.format(IDLE_S if consumer_lock.is_shared() else IDLE_ALONE_S)


def _end_lanes(new: Sequence[Delivery]) -> None:
    if running := [delivery.id for delivery in new if delivery.status == "running"]:
        with connection.cursor() as cursor:
            cursor.execute(statements.DONE_IN_LANES, {"ids": running})


def _lanes_with_waiting(wanted: Sequence[Delivery]) -> set[tuple[str, str]]:
    """The lanes of these deliveries with an open or dead delivery, or one that was overtaken."""
    in_lanes = [delivery for delivery in wanted if delivery.lane]
    if not in_lanes:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            statements.LANES_WITH_WAITING,
            {
                "handlers": [delivery.handler_id for delivery in in_lanes],
                "lanes": [delivery.lane for delivery in in_lanes],
                "positions": [delivery.envelope.key_sequence for delivery in in_lanes],
            },
        )
        return set(cursor.fetchall())
