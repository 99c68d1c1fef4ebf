"""The scale of a waterfall. Long waits, in which nothing runs, are cut short and marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

WIDTH = 1000.0
# A wait is cut when it is longer than this and than the whole time in which something runs.
SHORTEST_CUT = timedelta(seconds=1)
CUT_SHARE = 0.06
MAX_CUT_SHARE = 0.5


@dataclass(frozen=True)
class Cut:
    """A wait that the picture shortens: ``left`` and ``width`` in thousandths of the picture."""

    left: float
    width: float
    wait: timedelta


class Scale:
    """From moments to thousandths of the picture."""

    def __init__(self, busy: Sequence[tuple[datetime, datetime]]) -> None:
        """``busy`` are the times in which something ran, at least one, in the order of their beginnings."""
        merged = _merged(busy)
        self.begin = merged[0][0]
        active = sum((end - begin for begin, end in merged), timedelta())
        longest = max(SHORTEST_CUT, active)
        waits = [later[0] - earlier[1] for earlier, later in pairwise(merged)]
        cuts = sum(wait > longest for wait in waits)
        drawn = active + sum((wait for wait in waits if wait <= longest), timedelta())
        cut_width = WIDTH * min(CUT_SHARE, MAX_CUT_SHARE / cuts) if cuts else 0.0
        per_second = (WIDTH - cut_width * cuts) / max(drawn.total_seconds(), 1e-6)
        self.cuts: list[Cut] = []
        # Moments and their places; between two of them the scale is even.
        self._marks: list[tuple[datetime, float]] = []
        at = 0.0
        for number, (begin, end) in enumerate(merged):
            self._marks.append((begin, at))
            at += (end - begin).total_seconds() * per_second
            self._marks.append((end, at))
            if number < len(waits):
                if waits[number] > longest:
                    self.cuts.append(Cut(round(at, 2), round(cut_width, 2), waits[number]))
                    at += cut_width
                else:
                    at += waits[number].total_seconds() * per_second

    def place(self, moment: datetime) -> float:
        """From 0 to WIDTH."""
        earlier = self._marks[0]
        for later in self._marks[1:]:
            if moment <= later[0]:
                span_s = (later[0] - earlier[0]).total_seconds()
                share = (moment - earlier[0]).total_seconds() / span_s if span_s > 0 else 0.0
                return min(earlier[1] + max(share, 0.0) * (later[1] - earlier[1]), later[1])
            earlier = later
        return min(earlier[1], WIDTH)


def _merged(busy: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    merged = [busy[0]]
    for begin, end in busy[1:]:
        if begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged
