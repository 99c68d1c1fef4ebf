"""Counts and durations of a run. Their memory does not grow with the number of orders."""

import math
import threading
from collections import Counter
from dataclasses import dataclass, field

# The buckets of durations are 1 % wide, from a microsecond on.
GROWTH = math.log(1.01)
MOST_SLICES = 240
MOST_KINDS = 30
OTHER = "other errors"


class Durations:
    """Durations in buckets that are 1 % wide."""

    def __init__(self) -> None:
        self.count = 0
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self.count += 1
        self._buckets[max(0, math.ceil(math.log(max(seconds, 1e-6) * 1e6) / GROWTH))] += 1

    def merge(self, other: "Durations") -> None:
        self.count += other.count
        self._buckets.update(other._buckets)

    def percentile_ms(self, share: float) -> float | None:
        """The upper limit of the bucket in milliseconds; None without durations."""
        left = math.ceil(self.count * share)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return math.exp(bucket * GROWTH) / 1000
        return None


@dataclass
class Slice:
    """The orders that were due in one span of time, and their later results."""

    accepted: int = 0
    failed: int = 0
    final: int = 0
    answers: Durations = field(default_factory=Durations)
    finals: Durations = field(default_factory=Durations)

    def merge(self, other: "Slice") -> None:
        self.accepted += other.accepted
        self.failed += other.failed
        self.final += other.final
        self.answers.merge(other.answers)
        self.finals.merge(other.finals)


class Figures:
    """The results of a run: over all, and over time by the second in which an order was due.

    At most MOST_SLICES spans of time are kept; a longer run gets longer spans. Thread-safe.
    """

    def __init__(self) -> None:
        self.width_s = 1.0
        self.slices: list[Slice] = []
        self.errors: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self._lock = threading.Lock()

    def accepted(self, due_s: float, took_s: float) -> None:
        with self._lock:
            found = self._slice(due_s)
            found.accepted += 1
            found.answers.add(took_s)

    def failed(self, due_s: float, kind: str) -> None:
        with self._lock:
            self._slice(due_s).failed += 1
            known = kind in self.errors or len(self.errors) < MOST_KINDS
            self.errors[kind if known else OTHER] += 1

    def final(self, due_s: float, took_s: float, status: str) -> None:
        with self._lock:
            found = self._slice(due_s)
            found.final += 1
            found.finals.add(took_s)
            self.statuses[status] += 1

    def total(self) -> Slice:
        return self._sum(0)

    def last(self, seconds: float) -> Slice:
        """The slices of the last ``seconds``, and the whole slice that these begin in."""
        return self._sum(max(0, len(self.slices) - math.ceil(seconds / self.width_s)))

    def _sum(self, first: int) -> Slice:
        found = Slice()
        with self._lock:
            for part in self.slices[first:]:
                found.merge(part)
        return found

    def _slice(self, due_s: float) -> Slice:
        while due_s >= self.width_s * MOST_SLICES:
            self._halve()
        index = int(due_s / self.width_s)
        self.slices += [Slice() for _ in range(index + 1 - len(self.slices))]
        return self.slices[index]

    def _halve(self) -> None:
        self.width_s *= 2
        pairs = [self.slices[start : start + 2] for start in range(0, len(self.slices), 2)]
        for first, *second in pairs:
            for part in second:
                first.merge(part)
        self.slices = [first for first, *_ in pairs]
