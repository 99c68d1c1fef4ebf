"""Load balancing: a strategy picks the instance for the next request from at least one instance.

``in_flight`` gives the number of requests that this process has running at an instance.
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
    """One instance after the other in the order of their ids. Weights do not count."""

    def __init__(self) -> None:
        self._turns = itertools.count()

    def pick(self, instances: Sequence[Instance], in_flight: InFlight) -> Instance:
        ordered = sorted(instances, key=lambda instance: instance.id)
        return ordered[next(self._turns) % len(ordered)]


class Random:
    """A random instance; the probability is in proportion to the weight."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311

    def pick(self, instances: Sequence[Instance], in_flight: InFlight) -> Instance:
        weights = [instance.weight for instance in instances]
        if not any(weights):
            return self._rng.choice(instances)
        return self._rng.choices(instances, weights)[0]


class LeastConnections:
    """The instance with the fewest running requests per unit of weight; a random one of several alike."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311

    def pick(self, instances: Sequence[Instance], in_flight: InFlight) -> Instance:
        shuffled = self._rng.sample(list(instances), len(instances))
        return min(shuffled, key=lambda instance: load(instance, in_flight))


class TwoChoices:
    """The less loaded of two random instances.

    The load is nearly as even as with `LeastConnections`, and callers do not all choose the same
    idle instance. Source: Mitzenmacher, "The Power of Two Choices", 2001.
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()  # noqa: S311

    def pick(self, instances: Sequence[Instance], in_flight: InFlight) -> Instance:
        if len(instances) == 1:
            return instances[0]
        first, second = self._rng.sample(list(instances), 2)
        return first if load(first, in_flight) <= load(second, in_flight) else second


def of_lowest_priority(instances: Sequence[Instance]) -> Sequence[Instance]:
    """Those to ask first. Of SRV records that are all which have the lowest priority (RFC 2782)."""
    lowest = min(instance.priority or 0 for instance in instances)
    return [instance for instance in instances if (instance.priority or 0) == lowest]


def usual(instances: Sequence[Instance]) -> Strategy:
    """The strategy where the caller has chosen none. The weights of SRV records are shares of the requests;
    other weights say how much an instance can carry at once."""
    return _BY_SHARE if instances[0].priority is not None else _BY_LOAD


_BY_SHARE, _BY_LOAD = Random(), TwoChoices()


def load(instance: Instance, in_flight: InFlight) -> float:
    """Running requests plus the next one, per unit of weight; infinite for weight 0."""
    return (in_flight(instance) + 1) / instance.weight if instance.weight else float("inf")
