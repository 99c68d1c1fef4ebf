"""Growing pauses between attempts at something that fails."""

import random
from collections.abc import Callable

FIRST_S = 0.25
LAST_S = 10.0

Draw = Callable[[float, float], float]


def jittered(pause_s: float, draw: Draw = random.uniform) -> float:
    """Between half of the pause and all of it, so that many processes do not act at one moment."""
    return draw(pause_s / 2, pause_s)


class Backoff:
    """Pauses that double from ``first_s`` to ``last_s`` with each failure in a row, each of them jittered."""

    def __init__(self, first_s: float = FIRST_S, last_s: float = LAST_S, draw: Draw = random.uniform) -> None:
        self._first_s = self._next_s = first_s
        self._last_s = last_s
        self._draw = draw

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has failed since the last success."""
        return self._next_s == self._first_s

    def reset(self) -> None:
        """An attempt succeeded."""
        self._next_s = self._first_s

    def failed(self) -> float:
        """An attempt failed; seconds until the next one."""
        pause_s = jittered(self._next_s, self._draw)
        self._next_s = min(self._next_s * 2, self._last_s)
        return pause_s
