"""Explore every state that can be reached, breadth first, and show the shortest way to a wrong one."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

MAX_WORLDS = 200_000

World = TypeVar("World", bound=Hashable)
Successors = Callable[[World], Iterable[tuple[str, World]]]


class CounterExample(AssertionError):
    """A rule that does not hold. ``trace`` has the steps of the shortest way to the place where it breaks."""

    def __init__(self, rule: str, trace: list[str], at: object) -> None:
        steps = [f"  {number}. {step}" for number, step in enumerate(trace, 1)]
        told = "\n".join([f"Not so: {rule}", "The shortest way there:", *steps, f"Then: {at}"])
        super().__init__(told)
        self.rule, self.trace, self.at = rule, trace, at


class Exploration(Generic[World]):
    """All worlds that can be reached from ``begin``.

    ``successors`` gives, for a world, each step that is possible there: its description and the
    world after it. Raises AssertionError when there are more than ``max_worlds``.
    """

    def __init__(self, begin: World, successors: Successors[World], *, max_worlds: int = MAX_WORLDS) -> None:
        # In the order of their distance from the beginning, so the first wrong one has the shortest way.
        self._came_from: dict[World, tuple[World, str] | None] = {begin: None}
        frontier = [begin]
        while frontier:
            found = []
            for world in frontier:
                for step, after in successors(world):
                    if after not in self._came_from:
                        self._came_from[after] = world, step
                        found.append(after)
                if len(self._came_from) > max_worlds:
                    raise AssertionError(
                        f"There are more than {max_worlds} worlds. Give the neighbours fewer states, or "
                        "raise `max_worlds`."
                    )
            frontier = found

    def __iter__(self) -> Iterator[World]:
        return iter(self._came_from)

    def __len__(self) -> int:
        return len(self._came_from)

    def way_to(self, world: World) -> list[str]:
        """The steps of a shortest way to the world."""
        steps: list[str] = []
        while (came_from := self._came_from[world]) is not None:
            world, step = came_from
            steps.append(step)
        return steps[::-1]

    def always(self, rule: str, holds: Callable[[World], bool]) -> None:
        """Raise CounterExample with the nearest world in which the rule does not hold."""
        for world in self:
            if not holds(world):
                raise CounterExample(rule, self.way_to(world), world)
