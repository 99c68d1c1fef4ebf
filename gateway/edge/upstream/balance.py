"""Two choices: of two instances picked at random, the one with less work per weight.

Almost as even as asking all of them, without the herd that follows "the least
loaded" (Mitzenmacher, The Power of Two Choices, 2001).
"""

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.edge.upstream.services import Target

T = TypeVar("T", bound=Target)


def choose(targets: Sequence[Target], pick: Callable[[int], int] = random.randrange) -> Target:
    """One of ``targets`` (at least one)."""
    count = len(targets)
    if count == 1:
        return targets[0]
    first = pick(count)
    second = pick(count - 1)
    if second >= first:
        second += 1
    one, other = targets[first], targets[second]
    return one if one.load() <= other.load() else other
