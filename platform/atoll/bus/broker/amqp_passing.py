"""The passing queue: new messages pass a backlog that stands in the service's own queues.

A queue is first in, first out. When a consumer finds thousands of messages in its service's queues, or old
ones come in a row because their sender works off a backlog, it makes an exclusive queue of its own, binds it
like the others, and takes from it first. New messages then come twice, early and late, and the inbox drops
the late copies. While a sender works off its backlog, old messages come over it, too, and are dropped. The
passing queue never has the only copy, so nothing depends on it: it ends with the connection, or when the
backlog is gone.

New messages are a batch of their own. While they come, the old ones are taken in small batches between them,
since a new message waits for the batch that has begun.
"""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from amqp.exceptions import AccessRefused, ChannelError
from kombu import Connection, Consumer, Queue

from atoll.bus.broker.topology import Topology
from atoll.bus.handlers import known
from atoll.ids import uuid7

log = structlog.get_logger("atoll.bus")

# A queue with so many messages has a backlog, until it has few.
MANY, FEW = 1000, 100
# So many messages in a row that are older than OLD_S seconds are a backlog, too, until none came for CALM_S.
# A batch in which fewer than half are old ends the row.
OLD_S, OLD_IN_A_ROW = 5.0, 50
CALM_S = 2.0
# The passing queue keeps so many messages, the newest ones, and its consumer gets so many at once.
LONGEST, PREFETCH = 400, 200
# Old messages in a batch while new ones come, and for ALONE_S after the last new one. The number grows while
# such a batch takes less than 1.5 times as long as one with new messages only, and 2 ms.
SLICE = 5
SLICE_FACTOR, SLICE_EXTRA_S = 1.5, 0.002
ALONE_S = 1.0


class PassingQueue:
    """Belongs to the thread of one consumer. Its methods raise the connection's errors."""

    def __init__(self, connection: Connection, names: Topology) -> None:
        self._connection = connection
        self._names = names
        self._channel: Any = None
        self._is_refused = False
        self._is_turn_of_old = False
        self._news_at = float("-inf")
        self._slice = SLICE
        self._new_batch_s = 0.0
        self._picked_at = 0.0
        self._picked: tuple[int, int] = (0, 0)
        self._unpassed = 0
        self._old_in_a_row = 0
        self._backlog_at = float("-inf")
        self._came_last: Any = None
        # New messages that were not taken yet.
        self.arrived: list[Any] = []

    @property
    def is_open(self) -> bool:
        return self._channel is not None

    @property
    def passes_all(self) -> bool:
        """Whether each new message comes over it, also those that were published just before it was made."""
        return self.is_open and self._unpassed <= 0

    @property
    def sees_backlog(self) -> bool:
        """Whether old messages came in a row a moment ago."""
        return time.monotonic() - self._backlog_at < CALM_S

    def look(self, queues: Sequence[str], channel: Any, unacknowledged: int = 0) -> None:
        """Open or close it by the number and the age of messages in the service's own queues.

        With the ``unacknowledged`` ones of this consumer, those may have new messages among them. It stays
        closed where a handler is ordered: every copy must be stored in its turn.
        """
        waiting = max(int(channel.queue_declare(name, passive=True).message_count) for name in queues)
        has_backlog = waiting >= (FEW if self.is_open else MANY) or self.sees_backlog
        if self.is_open and (not has_backlog or known.roster().has_ordered):
            self.close()
        elif not self.is_open and has_backlog and not known.roster().has_ordered:
            self._open(waiting)
            self._unpassed = waiting + unacknowledged if unacknowledged else 0

    def acknowledge(self) -> None:
        """Let the broker send more, unless many wait here. A message that is lost after it has a copy."""
        if self._came_last is not None and len(self.arrived) < PREFETCH:
            self._channel.basic_ack(self._came_last.delivery_tag, multiple=True)
            self._came_last = None

    def pick(self, limit: int, old: list[Any]) -> list[Any]:
        """Take the next batch out of the new messages and the ``old`` ones, ``limit`` at most."""
        now = time.monotonic()
        self._learn(now - self._picked_at)
        new = self.arrived[:limit]
        del self.arrived[:limit]
        if new:
            self._news_at = now
        room = self._room_for_old(limit, len(new), now)
        picked = [*new, *old[:room]]
        del old[:room]
        self._note_ages(picked[len(new) :])
        self._picked_at, self._picked = now, (len(new), len(picked) - len(new))
        self._unpassed -= len(picked) - len(new)
        return picked

    def _room_for_old(self, limit: int, new: int, now: float) -> int:
        """Of two batches with new messages one has room for old ones, so that nothing starves."""
        if not self.passes_all:
            return limit - new
        if new and not self._is_turn_of_old:
            self._is_turn_of_old = True
            return 0
        self._is_turn_of_old = False
        is_alone = now - self._news_at > ALONE_S
        return limit - new if is_alone else min(self._slice, limit - new)

    def _note_ages(self, taken: Sequence[Any]) -> None:
        old = sum(_is_old(message) for message in taken)
        if taken:
            self._old_in_a_row = self._old_in_a_row + old if 2 * old >= len(taken) else 0
        if old and self._old_in_a_row >= OLD_IN_A_ROW:
            self._backlog_at = time.monotonic()

    def _learn(self, took_s: float) -> None:
        """The batch that was picked last took so long."""
        new, old = self._picked
        if new and not old:
            self._new_batch_s += 0.2 * (took_s - self._new_batch_s)
        elif old == self._slice:
            is_short = took_s < SLICE_FACTOR * self._new_batch_s + SLICE_EXTRA_S
            self._slice = max(SLICE, self._slice + (1 if is_short else -1))

    def close(self) -> None:
        """Messages in it have copies in the service's own queues."""
        channel, self._channel = self._channel, None
        self._came_last = None
        if channel is not None:
            channel.close()
            log.info("passing queue closed")

    def _open(self, waiting: int) -> None:
        if self._is_refused:
            return
        channel = self._connection.channel()
        name = f"{self._names.passing_prefix}{uuid7().hex}"
        try:
            queue = Queue(name, exclusive=True, durable=False, auto_delete=True, max_length=LONGEST)(channel)
            queue.queue_declare()
            for pattern in sorted(known.roster().patterns()):
                queue.bind_to(self._names.events.name, routing_key=pattern)
            queue.bind_to(self._names.commands.name, routing_key=self._names.service)
            consumer = Consumer(channel, [queue], on_message=self._note, prefetch_count=PREFETCH, accept=None)
            consumer.consume()
        except (AccessRefused, ChannelError) as refusal:
            # Made by an earlier version, the service's user may lack the permission.
            self._is_refused = True
            log.warning("new messages wait behind a backlog: no passing queue", reason=str(refusal))
            return
        self._channel = channel
        log.info("passing queue opened, new messages go first", waiting=waiting)

    def _note(self, message: Any) -> None:
        self._came_last = message
        if not _is_old(message):
            self.arrived.append(message)


def _is_old(message: Any) -> bool:
    """By AMQP's ``timestamp``, which relays set. A message without one counts as new."""
    sent_at = (message.properties or {}).get("timestamp")
    return sent_at is not None and time.time() - sent_at > OLD_S
