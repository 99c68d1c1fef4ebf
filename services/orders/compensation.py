"""How an order is undone: each compensation is asked for until it is confirmed.

    needed --> asked --confirmed--> done --needed--> asked
                 |
                 '--refused, overdue--> failed --confirmed--> done
                                           |---asked again--> asked
                                           '---settled------> settled --needed--> failed

To be ``failed`` means that a person must look; an answer that comes after all heals
it. Whenever a compensation enters ``asked``, also from there, its command goes out and
its deadline starts anew; when it leaves ``asked`` the deadline is called off. The
commands may be repeated at will, and their answers are final at whoever gives them:
any confirmation is a confirmation of all that was asked.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from django.db.models import TextChoices


class Compensation(TextChoices):
    """What there may be to undo, by the command that undoes it.

    A cancelled order releases and refunds. A refunded order had its stock sold: its goods are
    returned when staff say that they came back.
    """

    RELEASE = "release.stock", "Release of the stock"
    REFUND = "refund.payment", "Refund of the payment"
    RETURN = "return.stock", "Return of the goods"


class Undoing(TextChoices):
    """How far a compensation has come; None stands for one that was never needed."""

    ASKED = "asked", "Asked for"
    DONE = "done", "Done"
    FAILED = "failed", "Failed, needs attention"
    SETTLED = "settled", "Settled by hand"


class Cue(Enum):
    """What an event means to the compensation it is about."""

    NEEDED = "needed"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    OVERDUE = "overdue"
    ASKED_AGAIN = "asked again"
    SETTLED = "settled"


UNDOING: Mapping[tuple[Undoing | None, Cue], Undoing] = MappingProxyType(
    {
        (None, Cue.NEEDED): Undoing.ASKED,
        (Undoing.ASKED, Cue.NEEDED): Undoing.ASKED,
        (Undoing.ASKED, Cue.CONFIRMED): Undoing.DONE,
        (Undoing.ASKED, Cue.REFUSED): Undoing.FAILED,
        (Undoing.ASKED, Cue.OVERDUE): Undoing.FAILED,
        # What was done may turn out to be needed once more, by an answer that crossed with it.
        (Undoing.DONE, Cue.NEEDED): Undoing.ASKED,
        (Undoing.FAILED, Cue.NEEDED): Undoing.ASKED,
        (Undoing.FAILED, Cue.CONFIRMED): Undoing.DONE,
        (Undoing.FAILED, Cue.ASKED_AGAIN): Undoing.ASKED,
        (Undoing.FAILED, Cue.SETTLED): Undoing.SETTLED,
        # Somebody took it into their own hands: nothing is done on top of that without asking them.
        (Undoing.SETTLED, Cue.NEEDED): Undoing.FAILED,
    }
)
