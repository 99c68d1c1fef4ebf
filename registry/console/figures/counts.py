"""Counts with durations, and the percentiles that follow from them."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

# Upper bounds in seconds; the last bucket has no bound. They hold the bounds of all our histograms.
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZE = len(BOUNDS_S) + 1


@dataclass
class Counts:
    """``buckets`` are not cumulative; they are empty where no duration is measured."""

    count: float = 0
    errors: float = 0
    seconds: float = 0
    buckets: list[float] = field(default_factory=list)

    def add_bucket(self, bound_s: float, count: float) -> None:
        """Add ``count`` durations of at most ``bound_s`` seconds."""
        if not self.buckets:
            self.buckets = [0] * SIZE
        self.buckets[bisect_left(BOUNDS_S, bound_s)] += count

    def add(self, other: "Counts") -> None:
        self.count += other.count
        self.errors += other.errors
        self.seconds += other.seconds
        if other.buckets:
            mine = self.buckets or [0] * SIZE
            self.buckets = [a + b for a, b in zip(mine, other.buckets, strict=True)]

    def since(self, earlier: "Counts") -> "Counts":
        """The difference; nothing when counts fell, as when one of several processes has ended."""
        if earlier.count > self.count:
            return Counts()
        before = earlier.buckets or [0] * len(self.buckets)
        return Counts(
            self.count - earlier.count,
            max(self.errors - earlier.errors, 0),
            max(self.seconds - earlier.seconds, 0.0),
            [max(now - then, 0) for now, then in zip(self.buckets, before, strict=True)],
        )

    @property
    def error_share(self) -> float:
        return self.errors / self.count if self.count else 0.0

    def percentile_ms(self, share: float) -> float | None:
        """Interpolated within its bucket; None without durations. The last bucket has its lower bound."""
        total = sum(self.buckets)
        if total <= 0:
            return None
        wanted, reached = share * total, 0.0
        for (low, high), count in zip(pairwise((0.0, *BOUNDS_S, BOUNDS_S[-1])), self.buckets, strict=True):
            if count and reached + count >= wanted:
                return (low + (high - low) * (wanted - reached) / count) * 1000
            reached += count
        return BOUNDS_S[-1] * 1000


def total(all_counts: Iterable[Counts]) -> Counts:
    summed = Counts()
    for counts in all_counts:
        summed.add(counts)
    return summed
