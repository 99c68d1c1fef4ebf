"""Random failures at every step from the outbox to the handlers. The same seed repeats them."""

import functools
import os
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.publisher import Outcome, Publisher
from atoll.bus.handlers import registry
from atoll.bus.handlers.registry import Handler
from atoll.testing.broker import ConnectionLost, Copy, MemoryBroker, MemoryPublisher

SEED = "ATOLL_TEST_SEED"
WINDOW = 8


class InjectedFailure(Exception):
    """The test kit made this attempt fail. The handler is not at fault."""


class RandomFailures:
    """The failures, each with probability ``rate`` at its step.

    The connection breaks in mid-batch; confirms get lost after the broker took the
    messages; the broker refuses one; messages come in extra copies and out of order
    within WINDOW (never within a key: no broker does that); a handler fails before its
    first line or after its last. A handler fails at most as often as it is repeated at once: no
    message dies, and no time needs to pass.
    """

    def __init__(self, seed: int | None = None, rate: float = 0.2) -> None:
        if seed is None:
            seed = int(os.environ.get(SEED) or random.randrange(2**32))  # noqa: S311
        self.seed = seed
        self.rate = rate
        self.injected: Counter[str] = Counter()
        self.refused: set[int] = set()
        self._random = random.Random(seed)  # noqa: S311
        print(f"random failures on the bus: {SEED}={seed}")

    def strikes(self, what: str) -> bool:
        struck = self._random.random() < self.rate
        self.injected[what] += struck
        return struck

    def publisher(self, broker: MemoryBroker, service: str) -> Publisher:
        return FailingPublisher(broker, service, self)

    def disturb(self, waiting: deque[Copy]) -> None:
        """Reorder the first WINDOW messages of a queue, and repeat one of them at its end."""
        window = [waiting.popleft() for _ in range(min(WINDOW, len(waiting)))]
        if not window:
            return
        if self.strikes("message repeated"):
            waiting.append(self._random.choice(window))
        shuffled = list(window)
        if self.strikes("messages shuffled"):
            self._random.shuffle(shuffled)
        waiting.extendleft(reversed(_in_order_within_keys(shuffled, window)))

    @contextmanager
    def handlers(self) -> Iterator[None]:
        """Make the registered handlers fail inside the block."""
        held = registry.handlers()
        registry._handlers[:] = [replace(handler, function=self._failing(handler)) for handler in held]
        try:
            yield
        finally:
            registry._handlers[:] = held

    def pick(self, below: int) -> int:
        return self._random.randrange(below)

    def _failing(self, handler: Handler) -> Callable[..., None]:
        @functools.wraps(handler.function)
        def failing(payload: Any, message: Any, *prepared: Any) -> None:
            may_fail = message.attempt <= handler.retry.immediate
            if may_fail and self.strikes("handler failed before it ran"):
                raise InjectedFailure(f"{handler.id} before its first line")
            handler.function(payload, message, *prepared)
            if may_fail and self.strikes("handler failed after it ran"):
                raise InjectedFailure(f"{handler.id} after its last line")

        return failing


class FailingPublisher(MemoryPublisher):
    """A publisher that loses its connection or confirms, or that the broker refuses."""

    def __init__(self, broker: MemoryBroker, service: str, failures: RandomFailures) -> None:
        super().__init__(broker, service)
        self._failures = failures

    def publish(self, rows: Sequence[Outgoing]) -> Outcome:
        accepted, refused, keys = [], {}, set[str]()
        for row in rows:
            # Refuse the later messages of its key, too: they would overtake it.
            if row.key in keys or self._failures.strikes("message refused by the broker"):
                refused[row.id] = "Refused by chance."
                self._failures.refused.add(row.id)
                keys |= {row.key} - {""}
            else:
                accepted.append(row)
        sent = len(accepted)
        cut = self._failures.strikes("connection lost in mid-batch")
        if cut:
            sent = self._failures.pick(len(accepted) + 1)
        outcome = super().publish(accepted[:sent])
        outcome.refused |= refused
        if self._failures.strikes("confirms lost"):
            outcome.published = outcome.published[: self._failures.pick(len(outcome.published) + 1)]
            cut = True
        if cut:
            self.close()
            outcome.error = ConnectionLost("The connection was lost by chance.")
        return outcome


def _in_order_within_keys(shuffled: Sequence[Copy], original: Sequence[Copy]) -> list[Copy]:
    """The places of ``shuffled``, filled with each key's messages in their original order."""

    def key(copy: Copy) -> object:
        return copy.arrival.headers.get("x-atoll-key") or copy.number

    rest: dict[object, deque[Copy]] = {}
    for copy in original:
        rest.setdefault(key(copy), deque()).append(copy)
    return [rest[key(copy)].popleft() for copy in shuffled]
