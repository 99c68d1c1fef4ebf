"""The proof of a process: its table against the rules of its neighbours, in every order of messages.

    proof = interleavings(TABLE, [Neighbour("bank", "unpaid", bank, ("charge.card", "refund.card"))])
    proof.always("done means paid", lambda w: w.state.name != "done" or w["bank"] == "paid")
    proof.always_ends()

A message that was sent once may arrive at any later time and any number of times, or never. A timer
that runs may fire at any time, also before any message. Events of ``at_any_time`` and the decisions of
staff about failed compensations come whenever they may. No database is used.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from atoll.errors import Misuse
from atoll.process.compensations import CompensationState
from atoll.process.steps import State, Step, first_step, next_step
from atoll.process.table import Table
from atoll.process.table_check import problems, suggestion
from atoll.testing.exploring import MAX_WORLDS, CounterExample, Exploration

__all__ = ["CounterExample", "Exploration", "Interleavings", "Neighbour", "World", "interleavings"]

Outcomes = Iterable[tuple[Any, str | None]]


@dataclass(frozen=True)
class Neighbour:
    """A service that the process sends commands to, reduced to what it does about one process.

    ``answers(state, command)`` gives every possible outcome: the neighbour's state afterwards and the
    event that it announces. None for the event: the answer is lost, or the command fails for ever.
    States are any hashable values; ``begin`` is the first.
    """

    name: str
    begin: Hashable
    answers: Callable[[Any, str], Outcomes]
    commands: tuple[str, ...]


@dataclass(frozen=True)
class World:
    """The process, its running timers, its neighbours, and every message that was ever sent.

    ``world["bank"]`` is the state of a neighbour.
    """

    state: State
    timers: frozenset[str]
    neighbours: tuple[tuple[str, Hashable], ...]
    messages: frozenset[str]

    def __getitem__(self, neighbour: str) -> Any:
        return dict(self.neighbours)[neighbour]

    def after(self, step: Step) -> "World":
        return replace(
            self,
            state=step.state,
            timers=(self.timers - set(step.stop)) | set(step.start),
            messages=self.messages | set(step.send),
        )

    def __str__(self) -> str:
        around = ", ".join(f"{name} {state}" for name, state in self.neighbours)
        runs = f"; timers: {', '.join(sorted(self.timers))}" if self.timers else ""
        return f"the process is {self.state}; {around}{runs}"


@dataclass(frozen=True)
class Interleavings:
    """Every world of one table among its neighbours; made by ``interleavings``."""

    table: Table
    worlds: Exploration[World] = field(repr=False)

    def always(self, rule: str, holds: Callable[[World], bool]) -> None:
        """Assert that the rule holds in every world.

        Raises CounterExample with the shortest way to a wrong one.
        """
        self.worlds.always(rule, holds)

    def always_ends(self) -> None:
        """Assert that timers alone lead from every world to a final state with no compensation asked for.

        So the process ends, or calls a person, also when no neighbour ever answers.
        """
        known: dict[tuple[State, frozenset[str]], bool] = {}
        self.worlds.always(
            "without any answer the process ends by its timers", lambda world: self._ends(world, known)
        )

    def reaches_every_state(self) -> None:
        """Assert that each state of the table can be reached among these neighbours."""
        missing = {str(state) for state in self.table.states} - {world.state.name for world in self.worlds}
        assert not missing, f"No order of messages leads to {', '.join(sorted(missing))}."

    def _ends(self, world: World, known: dict[tuple[State, frozenset[str]], bool]) -> bool:
        place = world.state, world.timers
        if place not in known:
            # A timer that starts itself again would lead here once more: that is no end.
            known[place] = False
            if world.timers:
                fired = [_fired(self.table, world, timer) for timer in world.timers]
                known[place] = all(self._ends(after, known) for after in fired)
            else:
                is_asked = any(reached is CompensationState.ASKED for _, reached in world.state.compensations)
                known[place] = world.state.name in self.table.final and not is_asked
        return known[place]


def interleavings(
    table: Table,
    neighbours: Sequence[Neighbour],
    *,
    at_any_time: Sequence[str] = (),
    max_worlds: int = MAX_WORLDS,
) -> Interleavings:
    """Explore the table among its neighbours.

    ``at_any_time`` names the events that no neighbour announces, such as a customer's cancellation.
    Raises Misuse for a table with mistakes and for names that the table and the rules do not share.
    """
    _refuse_mistakes(table, neighbours, at_any_time)
    by_command = {command: neighbour for neighbour in neighbours for command in neighbour.commands}
    first = first_step(table)
    empty = World(first.state, frozenset(), tuple((one.name, one.begin) for one in neighbours), frozenset())

    def successors(world: World) -> Iterator[tuple[str, World]]:
        for message in sorted(world.messages):
            if message in by_command:
                yield from _carried_out(world, by_command[message], message)
            elif message in table.heard:
                yield _heard(table, world, message)
        for event in at_any_time:
            yield _heard(table, world, event)
        for timer in sorted(world.timers):
            after = _fired(table, world, timer)
            yield f"the timer {timer} fires: {_moved(world, after)}", after
        for command, reached in sorted(world.state.compensations):
            if reached is CompensationState.FAILED:
                compensation = table.compensation(command)
                yield _heard(table, world, compensation.asked_again)
                yield _heard(table, world, compensation.settled)

    return Interleavings(table, Exploration(empty.after(first), successors, max_worlds=max_worlds))


def _carried_out(world: World, neighbour: Neighbour, command: str) -> Iterator[tuple[str, World]]:
    for state, answer in neighbour.answers(world[neighbour.name], command):
        changed = tuple((name, state if name == neighbour.name else held) for name, held in world.neighbours)
        said = f"announces {answer}" if answer else "announces nothing"
        yield (
            f"{neighbour.name} receives {command}, is {state} and {said}",
            replace(world, neighbours=changed, messages=world.messages | ({answer} if answer else set())),
        )


def _heard(table: Table, world: World, event: str) -> tuple[str, World]:
    after = world.after(next_step(table, world.state, event))
    return f"the process hears {event}: {_moved(world, after)}", after


def _fired(table: Table, world: World, timer: str) -> World:
    fired = replace(world, timers=world.timers - {timer})
    return fired.after(next_step(table, world.state, timer))


def _moved(before: World, after: World) -> str:
    sent = sorted(after.messages - before.messages)
    return f"{after.state}, sends {', '.join(sent)}" if sent else str(after.state)


def _refuse_mistakes(table: Table, neighbours: Sequence[Neighbour], at_any_time: Sequence[str]) -> None:
    found = problems(table)
    for neighbour in neighbours:
        found += [
            f"{neighbour.name} takes {command!r}, which the table never sends."
            f"{suggestion(command, table.sent)}"
            for command in neighbour.commands
            if command not in table.sent
        ]
    taken = {command for neighbour in neighbours for command in neighbour.commands}
    found += [
        f"No neighbour takes the compensation {compensation.command!r}."
        for compensation in table.compensations
        if compensation.command not in taken
    ]
    found += [
        f"`at_any_time` has {event!r}, which is no event of the table.{suggestion(event, table.heard)}"
        for event in at_any_time
        if event not in table.heard
    ]
    if found:
        raise Misuse("The table cannot be explored:\n" + "\n".join(found))
