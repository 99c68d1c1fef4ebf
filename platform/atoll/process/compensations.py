"""The state machine of a compensation: a process asks for it until a service confirms it.

    needed --> asked --confirmed--> done --needed--> asked
                 |
                 '--refused, overdue--> failed --confirmed--> done
                                           |---asked again--> asked
                                           '---settled------> settled --needed--> failed

A ``failed`` compensation needs a person; a late confirmation ends it as well. Each time a
compensation enters ``asked``, also from ``asked``, its command is sent and its deadline starts
again; when it leaves ``asked``, the deadline stops. The command must be idempotent and its
answers final, so one confirmation confirms every request before it.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from django.db.models import TextChoices


class CompensationState(TextChoices):
    """None in place of a state: the process never needed the compensation."""

    ASKED = "asked", "Asked for"
    DONE = "done", "Done"
    FAILED = "failed", "Failed, needs attention"
    SETTLED = "settled", "Settled by hand"


class Trigger(Enum):
    """The meaning of an event of the process for one of its compensations."""

    NEEDED = "needed"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    OVERDUE = "overdue"
    ASKED_AGAIN = "asked again"
    SETTLED = "settled"


COMPENSATION_TRANSITIONS: Mapping[tuple[CompensationState | None, Trigger], CompensationState] = (
    MappingProxyType(
        {
            (None, Trigger.NEEDED): CompensationState.ASKED,
            (CompensationState.ASKED, Trigger.NEEDED): CompensationState.ASKED,
            (CompensationState.ASKED, Trigger.CONFIRMED): CompensationState.DONE,
            (CompensationState.ASKED, Trigger.REFUSED): CompensationState.FAILED,
            (CompensationState.ASKED, Trigger.OVERDUE): CompensationState.FAILED,
            # An answer that crossed with the confirmation can make the compensation necessary again.
            (CompensationState.DONE, Trigger.NEEDED): CompensationState.ASKED,
            (CompensationState.FAILED, Trigger.NEEDED): CompensationState.ASKED,
            (CompensationState.FAILED, Trigger.CONFIRMED): CompensationState.DONE,
            (CompensationState.FAILED, Trigger.ASKED_AGAIN): CompensationState.ASKED,
            (CompensationState.FAILED, Trigger.SETTLED): CompensationState.SETTLED,
            # A person settled it: only a person may decide about a new request.
            (CompensationState.SETTLED, Trigger.NEEDED): CompensationState.FAILED,
        }
    )
)
