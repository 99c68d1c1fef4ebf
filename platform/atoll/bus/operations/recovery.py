"""Actions of staff on stuck messages: try again, or discard with a reason.

A replayed delivery runs like a new one. A service that already has a republished
message drops the copy.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import BigIntegerField, Func, QuerySet
from django.db.models.functions import Now

from atoll import wire
from atoll.bus.broker.envelope import Unreadable
from atoll.bus.broker.messages import Arrival
from atoll.bus.inbox import receiving, senders
from atoll.bus.inbox import store as inbox
from atoll.bus.models import Delivery, Outbox, Quarantine
from atoll.bus.outbox import wakeup

INCOMPLETE = "It cannot be read again: only a part was kept, or it is longer than a message may be."
BODY_BYTES = Func("body", function="octet_length", output_field=BigIntegerField())

# Primary keys, or a subquery that gives them.
RowIds = Sequence[Any] | QuerySet[Any]

REPLAYABLE = (Delivery.Status.DEAD, Delivery.Status.DISCARDED)
FRESH_ATTEMPTS = {
    "status": Delivery.Status.PENDING,
    "attempts": 0,
    "hints": 0,
    "waits_for": "",
    "next_attempt_at": Now(),
    "hint_at": Now(),
    "created_at": Now(),
    "finished_at": None,
    "first_failed_at": None,
}


def replay_deliveries(ids: RowIds) -> int:
    """Give dead and discarded deliveries all their attempts again, from now. Returns their number."""
    return Delivery.objects.filter(id__in=ids, status__in=REPLAYABLE).update(**FRESH_ATTEMPTS)


def replay_edited(delivery_id: UUID, *, body: str, instead_of: str) -> bool:
    """Run a dead or discarded delivery again with another body; the inbox keeps the received body.

    ``instead_of`` is the edited body on which the change is based, "" for the received body.
    Returns False and changes nothing when the delivery is no longer dead or discarded, or
    another person edited it meanwhile.
    """
    found = Delivery.objects.filter(id=delivery_id, status__in=REPLAYABLE, edited_body=instead_of)
    return bool(found.update(edited_body=body, **FRESH_ATTEMPTS))


def discard_deliveries(ids: RowIds, reason: str) -> int:
    """Discard dead and pending deliveries. Returns their number.

    The deliveries behind them in their lanes run within about a second (``delivery/lanes.py``).
    """
    return Delivery.objects.filter(
        id__in=ids, status__in=[Delivery.Status.DEAD, Delivery.Status.PENDING]
    ).update(status=Delivery.Status.DISCARDED, error=f"Discarded: {reason}", finished_at=Now())


def publish_again(ids: RowIds) -> int:
    """Publish outbox rows now, including published and discarded rows. Returns their number."""
    with transaction.atomic():
        found = Outbox.objects.filter(id__in=ids).update(
            status=Outbox.Status.PENDING, next_attempt_at=Now(), published_at=None, error=""
        )
        wakeup.after_commit()
    return found


def discard_outbox_rows(ids: RowIds, reason: str) -> int:
    """Discard pending outbox rows, so that they are never published. Returns their number."""
    return Outbox.objects.filter(id__in=ids, status=Outbox.Status.PENDING).update(
        status=Outbox.Status.DISCARDED, error=f"Discarded: {reason}"
    )


def replay_quarantined(row_id: int, *, checks_sender: bool = True) -> bool:
    """Read a quarantined message again, with the current handlers and schemas. Returns False on failure.

    The sender is checked as at the arrival (``inbox/senders.py``). With ``checks_sender=False``
    an administrator vouches for the message. An incomplete message cannot be read; its note
    then says so. Loads one body, of at most ``wire.MAX_BYTES``.
    """
    found = Quarantine.objects.filter(pk=row_id)
    row = found.filter(is_cut=False).alias(size=BODY_BYTES).filter(size__lte=wire.MAX_BYTES).first()
    if row is None:
        found.update(note=INCOMPLETE)
        return False
    arrival = Arrival(
        queue=row.queue,
        routing_key=row.routing_key,
        body=bytes(row.body),
        properties=row.properties,
        headers=row.headers,
    )
    try:
        message = receiving.read(arrival, senders.rule() if checks_sender else None)
    except (Unreadable, ImproperlyConfigured) as error:
        Quarantine.objects.filter(pk=row.pk).update(reason=str(error))
        return False
    with transaction.atomic():
        try:
            fresh = inbox.store([message])
        except inbox.Unhandled:
            return False
        note = f"{len(fresh)} deliveries" if fresh else "nothing new: known already, or nothing handles it"
        Quarantine.objects.filter(pk=row.pk).update(status=Quarantine.Status.REPLAYED, note=note)
    return True


def discard_quarantined(ids: RowIds, reason: str) -> int:
    return Quarantine.objects.filter(id__in=ids, status=Quarantine.Status.WAITING).update(
        status=Quarantine.Status.DISCARDED, note=reason
    )
