"""The declaration of a process: its states, transitions, timers and compensations."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from atoll.process.compensations import Trigger

Duration = timedelta | Callable[[], timedelta]


@dataclass(frozen=True)
class Transition:
    """The next state and what goes with it.

    ``compensate`` names the compensations that it needs, ``send`` the commands and events that it
    sends, ``start`` and ``stop`` the timers that it sets and calls off. A step into a final state
    calls off every timer of the table by itself.
    """

    to: str
    compensate: tuple[str, ...] = ()
    send: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Timer:
    """A timer, named for the event that its end is: ``payment.overdue``.

    ``after`` may be a function, for a duration that comes from a setting.
    """

    event: str
    after: Duration


@dataclass(frozen=True)
class Compensation:
    """Undoes a command. ``command`` is the message that asks for it, and the compensation's name.

    The process follows it to its end: an event of ``confirmed_by`` makes it done, one of
    ``refused_by`` makes it failed, and so does silence until ``deadline``. The history calls that
    silence ``COMMAND.overdue``, and the decisions of staff ``COMMAND.asked_again`` and
    ``COMMAND.settled``; ``short_name`` stands there in place of the command.
    """

    command: str
    confirmed_by: tuple[str, ...]
    refused_by: tuple[str, ...] = ()
    deadline: Duration = timedelta(minutes=15)
    short_name: str = ""

    @property
    def overdue(self) -> str:
        """The event of its deadline, and the name of its timer."""
        return self._event("overdue")

    @property
    def asked_again(self) -> str:
        return self._event("asked_again")

    @property
    def settled(self) -> str:
        return self._event("settled")

    def _event(self, ending: str) -> str:
        return f"{self.short_name or self.command}.{ending}"


@dataclass(frozen=True, kw_only=True)
class Table:
    """All rules of a process. It has no side effect.

    ``states`` are all states, and ``final`` those of them that wait for nothing. ``begins`` is the
    first step. ``transitions`` has the step for each pair of a state and an event. A pair that it
    does not name changes nothing: the event is late, repeated or out of order. Names are strings or
    members of ``TextChoices``.
    """

    states: Collection[str]
    final: Collection[str]
    begins: Transition
    transitions: Mapping[tuple[str, str], Transition]
    timers: tuple[Timer, ...] = ()
    compensations: tuple[Compensation, ...] = field(default=())

    @cached_property
    def triggers(self) -> Mapping[str, tuple[Compensation, Trigger]]:
        """The events with a meaning for a compensation."""
        found: dict[str, tuple[Compensation, Trigger]] = {}
        for compensation in self.compensations:
            found |= dict.fromkeys(compensation.confirmed_by, (compensation, Trigger.CONFIRMED))
            found |= dict.fromkeys(compensation.refused_by, (compensation, Trigger.REFUSED))
            found[compensation.overdue] = compensation, Trigger.OVERDUE
            found[compensation.asked_again] = compensation, Trigger.ASKED_AGAIN
            found[compensation.settled] = compensation, Trigger.SETTLED
        return found

    @cached_property
    def durations(self) -> Mapping[str, Duration]:
        """Every timer, also the deadlines of compensations, and how long it runs."""
        return {timer.event: timer.after for timer in self.timers} | {
            compensation.overdue: compensation.deadline for compensation in self.compensations
        }

    @cached_property
    def heard(self) -> frozenset[str]:
        """The events that come from outside: neither timers nor decisions about compensations."""
        of_staff = {one.asked_again for one in self.compensations} | {
            one.settled for one in self.compensations
        }
        named = {event for _, event in self.transitions} | set(self.triggers)
        return frozenset(str(event) for event in named - set(self.durations) - of_staff)

    @cached_property
    def sent(self) -> frozenset[str]:
        """Every message that a step can send."""
        steps = [self.begins, *self.transitions.values()]
        return frozenset(str(name) for step in steps for name in (*step.send, *step.compensate))

    def compensation(self, command: str) -> Compensation:
        """Raises KeyError for a name that the table does not have."""
        for one in self.compensations:
            if one.command == command:
                return one
        raise KeyError(command)
