"""The mistakes that can be seen in a table without running it; ``manage.py check`` tells them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from atoll.process.table import Table, Transition


def problems(table: Table) -> list[str]:
    """Every mistake in the table, as one sentence each; an empty list for a sound table."""
    return [*_names(table), *_paths(table), *_timers(table), *_compensations(table)]


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the question after a space, with the most similar known name, or ""."""
    found = get_close_matches(name, sorted({str(one) for one in known}), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def _rows(table: Table) -> Iterator[tuple[str, Transition]]:
    yield "The beginning", table.begins
    for (state, event), transition in table.transitions.items():
        yield f"The transition ({str(state)!r}, {str(event)!r})", transition


def _names(table: Table) -> Iterator[str]:
    states = {str(state) for state in table.states}
    if "" in states:
        yield 'A state has the name "". A row that has not begun has it, so no state may.'
    for state in table.final:
        if state not in states:
            yield f"The final state {str(state)!r} is no state.{suggestion(state, states)}"
    for state, event in table.transitions:
        if state not in states:
            yield (
                f"The transition ({str(state)!r}, {str(event)!r}) starts in no state."
                f"{suggestion(state, states)}"
            )
    timers = {timer.event for timer in table.timers}
    compensations = {compensation.command for compensation in table.compensations}
    for row, transition in _rows(table):
        if transition.to not in states:
            meant = suggestion(transition.to, states)
            yield f"{row} leads to {str(transition.to)!r}, which is no state.{meant}"
        for name in (*transition.start, *transition.stop):
            if name not in timers:
                meant = suggestion(name, timers)
                yield f"{row} names the timer {str(name)!r}, which is not in timers.{meant}"
        for name in transition.compensate:
            if name not in compensations:
                yield (
                    f"{row} needs the compensation {str(name)!r}, which is not in compensations."
                    f"{suggestion(name, compensations)}"
                )
    if table.begins.compensate or table.begins.stop:
        yield "The beginning has nothing to compensate and no timer to stop."


def _paths(table: Table) -> Iterator[str]:
    leads: dict[str, set[str]] = {str(state): set() for state in table.states}
    for (state, _), transition in table.transitions.items():
        leads.setdefault(str(state), set()).add(str(transition.to))
    final = {str(state) for state in table.final}
    if not final:
        yield "No state is final, so the process would never end."
    reached = _closure({str(table.begins.to)}, leads)
    for state in leads:
        if state not in reached:
            yield f"No transition leads to the state {state!r}."
        elif state not in final and not leads[state] - {state}:
            yield f"No transition leads out of the state {state!r}, which is not final."
        elif state not in final and not _closure({state}, leads) & final:
            yield f"No final state can be reached from the state {state!r}."
        elif state in final and (out := leads[state] - final):
            yield f"The final state {state!r} leads to {min(out)!r}, which is not final."


def _timers(table: Table) -> Iterator[str]:
    handled = {str(event) for _, event in table.transitions}
    started = {str(name) for _, transition in _rows(table) for name in transition.start}
    for timer in table.timers:
        if timer.event not in handled:
            yield f"No transition handles the timer {str(timer.event)!r}."
        if timer.event not in started:
            yield f"No step starts the timer {str(timer.event)!r}."
    for row, transition in _rows(table):
        if transition.start and transition.to in table.final:
            yield f"{row} starts a timer in a final state, which waits for nothing."
    for name, times in Counter(str(timer.event) for timer in table.timers).items():
        if times > 1:
            yield f"Two timers have the name {name!r}."


def _compensations(table: Table) -> Iterator[str]:
    needed = {str(name) for _, transition in _rows(table) for name in transition.compensate}
    meanings = Counter(
        str(event)
        for compensation in table.compensations
        for event in (*compensation.confirmed_by, *compensation.refused_by)
    )
    for compensation in table.compensations:
        if not compensation.confirmed_by:
            yield f"No event confirms the compensation {str(compensation.command)!r}."
        if compensation.command not in needed:
            yield f"No transition needs the compensation {str(compensation.command)!r}."
    for event, times in meanings.items():
        if times > 1:
            yield f"The event {event!r} has two meanings for compensations."
    if len({str(one.command) for one in table.compensations}) < len(table.compensations):
        yield "Two compensations have the same command."


def _closure(begin: set[str], leads: dict[str, set[str]]) -> set[str]:
    known, frontier = set(begin), list(begin)
    while frontier:
        found = leads.get(frontier.pop(), set()) - known
        known |= found
        frontier.extend(found)
    return known
