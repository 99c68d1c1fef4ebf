"""The compensations of an order. ``atoll.process.compensations`` is the state machine of each.

A ``failed`` compensation needs a person; a late confirmation ends it as well. Each time a
compensation enters ``asked``, also from ``asked``, orders sends its command and starts its
deadline again; when it leaves ``asked``, orders stops the deadline. The commands are
idempotent and the answers are final, so one confirmation confirms every request before it.
"""

from django.db.models import TextChoices

from atoll.process import COMPENSATION_TRANSITIONS, CompensationState, Trigger

__all__ = ["COMPENSATION_TRANSITIONS", "Compensation", "CompensationState", "Trigger"]


class Compensation(TextChoices):
    """The value is the command that compensates.

    A cancelled order needs a release and a refund. A refunded order needs a return when staff
    report that its goods came back.
    """

    RELEASE = "release.stock", "Release of the stock"
    REFUND = "refund.payment", "Refund of the payment"
    RETURN = "return.stock", "Return of the goods"
