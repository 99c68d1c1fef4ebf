"""Chooses the less loaded of two random endpoints, by load per weight.

This is almost as even as the least loaded of all, and callers do not rush to one endpoint (Mitzenmacher,
The Power of Two Choices, 2001).
"""

import random
from collections.abc import Callable, Sequence

from gateway.edge.upstream.directory import Endpoint


def choose(endpoints: Sequence[Endpoint], pick: Callable[[int], int] = random.randrange) -> Endpoint:
    """One of ``endpoints``, which must not be empty."""
    count = len(endpoints)
    if count == 1:
        return endpoints[0]
    first = pick(count)
    second = pick(count - 1)
    if second >= first:
        second += 1
    one, other = endpoints[first], endpoints[second]
    return one if one.load() <= other.load() else other
