"""Chooses one of several endpoints. Each service has one of four strategies.

Two choices are the default. They are almost as even as the least loaded of all, and callers do not rush
to one endpoint (Mitzenmacher, The Power of Two Choices, 2001). The round robin is the smooth weighted one
of nginx: an endpoint of weight 2 gets every second request and not two in a row.
"""

from collections.abc import Sequence
from random import random
from typing import Protocol, TypeVar


class Loaded(Protocol):
    """``turn`` belongs to the round robin."""

    in_flight: int
    weight: float
    turn: float

    def load(self) -> float: ...


E = TypeVar("E", bound=Loaded)


def two_choices(endpoints: Sequence[E]) -> E:
    """The less loaded of two random ``endpoints``, which must not be empty, as in all functions here."""
    count = len(endpoints)
    if count == 1:
        return endpoints[0]
    # `random.randrange` takes three times as long.
    first = int(random() * count)  # noqa: S311
    second = int(random() * (count - 1))  # noqa: S311
    if second >= first:
        second += 1
    one, other = endpoints[first], endpoints[second]
    # `load` of each, without two calls.
    return one if (one.in_flight + 1) * other.weight <= (other.in_flight + 1) * one.weight else other


def at_random(endpoints: Sequence[E]) -> E:
    """A random one. The probability is in proportion to the weight."""
    point = random() * sum(endpoint.weight for endpoint in endpoints)  # noqa: S311
    for endpoint in endpoints:
        point -= endpoint.weight
        if point < 0:
            return endpoint
    return endpoints[-1]


def least_connections(endpoints: Sequence[E]) -> E:
    """The one with the fewest running requests per weight; a random one of several alike."""
    loads = [endpoint.load() for endpoint in endpoints]
    least = min(loads)
    idle = [endpoint for endpoint, load in zip(endpoints, loads, strict=True) if load == least]
    return idle[int(random() * len(idle))]  # noqa: S311


def round_robin(endpoints: Sequence[E]) -> E:
    """One after the other, in proportion to the weights. `Loaded.turn` keeps the state."""
    total = 0.0
    for endpoint in endpoints:
        endpoint.turn += endpoint.weight
        total += endpoint.weight
    chosen = max(endpoints, key=_turn)
    chosen.turn -= total
    return chosen


def _turn(endpoint: Loaded) -> float:
    return endpoint.turn
