"""Which instance gets the next request. Every strategy gets at least one instance.

``in_flight`` tells how many requests this process has running at an instance.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from atoll.discovery.instances import Instance

InFlight = Callable[[Instance], int]


class Strategy(Protocol):
    def pick(self, instances: Sequence[Instance], in_flight: InFlight) -> Instance: ...


class RoundRobin:
    """Each in turn, by id, whatever its weight."""

    def __init__(self) -> None:
        self._turns = itertools.count()

    def pick(self, instances: Sequence[Instance], in_flight: InFlight) -> Instance:
        ordered = sorted(instances, key=lambda instance: instance.id)
        return ordered[next(self._turns) % len(ordered)]


class Random:
    """At random, in proportion to weight."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311

    def pick(self, instances: Sequence[Instance], in_flight: InFlight) -> Instance:
        weights = [instance.weight for instance in instances]
        if not any(weights):
            return self._rng.choice(instances)
        return self._rng.choices(instances, weights)[0]


class LeastConnections:
    """The fewest running requests for its weight; the first among equals is drawn by lot."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311

    def pick(self, instances: Sequence[Instance], in_flight: InFlight) -> Instance:
        shuffled = self._rng.sample(list(instances), len(instances))
        return min(shuffled, key=lambda instance: load(instance, in_flight))


class TwoChoices:
    """The less loaded of two drawn at random.

    Nearly as even as looking at all of them, without every caller rushing to the
    same idle instance. Source: Mitzenmacher, "The Power of Two Choices", 2001.
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311

    def pick(self, instances: Sequence[Instance], in_flight: InFlight) -> Instance:
        if len(instances) == 1:
            return instances[0]
        first, second = self._rng.sample(list(instances), 2)
        return first if load(first, in_flight) <= load(second, in_flight) else second


def load(instance: Instance, in_flight: InFlight) -> float:
    """Running requests, counting the next one, per unit of weight; an instance of weight 0 is last."""
    return (in_flight(instance) + 1) / instance.weight if instance.weight else float("inf")
