"""Process managers: one table says which step follows which event, and the database carries it out.

A process is a row that waits for answers of several services. ``Table`` declares its states,
transitions, timers and compensations and has no side effect. ``ProcessManager`` carries a step
out: state, history, outgoing messages and timers in one transaction. ``ProcessRow`` and
``ProcessHistory`` are the abstract models of its tables. ``atoll.testing.interleavings`` explores
a table in every order of messages. docs/recipes/saga.md shows a whole process.
"""

from typing import TYPE_CHECKING

from atoll.late import late
from atoll.process.compensations import COMPENSATION_TRANSITIONS, CompensationState, Trigger
from atoll.process.steps import State, Step, first_step, next_step
from atoll.process.table import Compensation, Table, Timer, Transition

if TYPE_CHECKING:
    from atoll.process.manager import ProcessManager
    from atoll.process.models import ProcessHistory, ProcessRow

__all__ = [
    "COMPENSATION_TRANSITIONS",
    "Compensation",
    "CompensationState",
    "ProcessHistory",
    "ProcessManager",
    "ProcessRow",
    "State",
    "Step",
    "Table",
    "Timer",
    "Transition",
    "Trigger",
    "first_step",
    "next_step",
]


# Django imports this package before it knows its apps, and models need them.
__getattr__ = late(__name__, {"manager": ("ProcessManager",), "models": ("ProcessHistory", "ProcessRow")})
