"""Two choices: of two instances picked at random, the one with less work per weight.

Almost as even as asking all of them, without the herd that follows "the least
loaded" (Mitzenmacher, The Power of Two Choices, 2001).
"""

import random
from collections.abc import Callable, Sequence

from gateway.edge.upstream.directory import Endpoint


def choose(endpoints: Sequence[Endpoint], pick: Callable[[int], int] = random.randrange) -> Endpoint:
    """One of ``endpoints`` (at least one)."""
    count = len(endpoints)
    if count == 1:
        return endpoints[0]
    first = pick(count)
    second = pick(count - 1)
    if second >= first:
        second += 1
    one, other = endpoints[first], endpoints[second]
    return one if one.load() <= other.load() else other
