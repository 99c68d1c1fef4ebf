"""The step that an event makes: a function of the table, the state and the event."""

from dataclasses import dataclass, replace

from atoll.process.compensations import COMPENSATION_TRANSITIONS, CompensationState, Trigger
from atoll.process.table import Compensation, Table, Transition


@dataclass(frozen=True)
class State:
    """The name of a process's state, and the state of each compensation that it has needed."""

    name: str
    compensations: frozenset[tuple[str, CompensationState]] = frozenset()

    def of(self, command: str) -> CompensationState | None:
        return dict(self.compensations).get(command)

    def having(self, command: str, reached: CompensationState) -> "State":
        changed = {**dict(self.compensations), command: reached}
        return replace(self, compensations=frozenset(changed.items()))

    @property
    def has_failed(self) -> bool:
        """Whether a compensation needs a person."""
        return any(reached is CompensationState.FAILED for _, reached in self.compensations)

    def __str__(self) -> str:
        told = [f"{command} {reached.value}" for command, reached in sorted(self.compensations)]
        return f"{self.name} ({', '.join(told)})" if told else str(self.name)


@dataclass(frozen=True)
class Step:
    """The state after an event, and the effects of the event in the order of their sending.

    ``compensations`` has the new state of each compensation that the event changed or asked for
    again. ``send`` names messages, ``start`` and ``stop`` timers.
    """

    state: State
    send: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    compensations: tuple[tuple[str, CompensationState], ...] = ()


def first_step(table: Table) -> Step:
    """The step that begins a process."""
    begins = table.begins
    return Step(State(str(begins.to)), begins.send, begins.start)


def next_step(table: Table, state: State, event: str) -> Step:
    """The step that the event makes from this state.

    A pair that the table does not name is an answer or a timer that is late, repeated or out
    of order. Its step keeps the state and has no effects.
    """
    transition = table.transitions.get((state.name, event), Transition(state.name))
    after = replace(state, name=str(transition.to))
    send: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    changed: tuple[tuple[str, CompensationState], ...] = ()
    for compensation, trigger in _triggers(table, transition, event):
        # Of the state before the event: what it makes necessary, it cannot confirm as well.
        before = state.of(compensation.command)
        reached = COMPENSATION_TRANSITIONS.get((before, trigger))
        if reached is None:
            continue
        after = after.having(compensation.command, reached)
        changed += ((compensation.command, reached),)
        if reached is CompensationState.ASKED:
            send += (compensation.command,)
            start += (compensation.overdue,)
        elif before is CompensationState.ASKED:
            stop += (compensation.overdue,)
    if transition.to in table.final and state.name not in table.final:
        stop += tuple(timer.event for timer in table.timers)
    return Step(after, send + transition.send, start + transition.start, stop + transition.stop, changed)


def _triggers(table: Table, transition: Transition, event: str) -> list[tuple[Compensation, Trigger]]:
    found = [(table.compensation(command), Trigger.NEEDED) for command in transition.compensate]
    return [*found, table.triggers[event]] if event in table.triggers else found
