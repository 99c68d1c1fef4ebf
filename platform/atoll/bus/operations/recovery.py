"""What staff may do about messages that got stuck: try again, or give up with a reason.

Everything goes the ordinary way afterwards: a replayed delivery is claimed like
a new one, and a message that was sent again is dropped by whoever had it.
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
from atoll.bus.inbox import receiving, senders
from atoll.bus.inbox import store as inbox
from atoll.bus.inbox.quarantine import Arrival
from atoll.bus.models import Delivery, Outbox, Quarantine
from atoll.bus.outbox import store as outbox

NOT_WHOLE = "It cannot be read again: it was not kept whole, or is longer than any message that is read."
OCTETS = Func("body", function="octet_length", output_field=BigIntegerField())

# Ids, or rows that only the database need know.
Chosen = Sequence[Any] | QuerySet[Any]

REPLAYABLE = (Delivery.Status.DEAD, Delivery.Status.DISCARDED)
AGAIN = {
    "status": Delivery.Status.PENDING,
    "attempts": 0,
    "hints": 0,
    "next_attempt_at": Now(),
    "hint_at": Now(),
    "created_at": Now(),
    "finished_at": None,
    "first_failed_at": None,
}


def replay_deliveries(ids: Chosen) -> int:
    """Give dead and discarded deliveries all their attempts again, from now; how many there were."""
    return Delivery.objects.filter(id__in=ids, status__in=REPLAYABLE).update(**AGAIN)


def replay_edited(delivery_id: UUID, *, body: str, instead_of: str) -> bool:
    """Run a dead or discarded delivery again with another body; what arrived stays in the inbox.

    ``instead_of`` is the edited body that the change was made from, empty for none. False, and
    nothing is changed, when the delivery runs again already or somebody else edited it meanwhile.
    """
    found = Delivery.objects.filter(id=delivery_id, status__in=REPLAYABLE, edited_body=instead_of)
    return bool(found.update(edited_body=body, **AGAIN))


def discard_deliveries(ids: Chosen, reason: str) -> int:
    """Give up on deliveries that are dead or still waiting; how many there were.

    What waited behind them in their lanes goes on within a second or so (lanes.py).
    """
    return Delivery.objects.filter(
        id__in=ids, status__in=[Delivery.Status.DEAD, Delivery.Status.PENDING]
    ).update(status=Delivery.Status.DISCARDED, error=f"Discarded: {reason}", finished_at=Now())


def send_again(ids: Chosen) -> int:
    """Publish outbox rows now, also those that were published or discarded before; how many."""
    with transaction.atomic():
        found = Outbox.objects.filter(id__in=ids).update(
            status=Outbox.Status.PENDING, next_attempt_at=Now(), published_at=None, error=""
        )
        outbox.wake_relays()
    return found


def discard_outgoing(ids: Chosen, reason: str) -> int:
    """Never publish rows that are still waiting; how many there were."""
    return Outbox.objects.filter(id__in=ids, status=Outbox.Status.PENDING).update(
        status=Outbox.Status.DISCARDED, error=f"Discarded: {reason}"
    )


def replay_quarantined(row_id: int, *, asks_sender: bool = True) -> bool:
    """Read it again, with the handlers and schemas of today; whether it could be.

    Its sender is asked for as at its arrival (senders.py), unless somebody answers for the message:
    ``asks_sender`` False believes what it says.
    What was not kept whole cannot be; its note then says so. One body is loaded, of MAX_BYTES at most.
    """
    found = Quarantine.objects.filter(pk=row_id)
    row = found.filter(is_cut=False).alias(size=OCTETS).filter(size__lte=wire.MAX_BYTES).first()
    if row is None:
        found.update(note=NOT_WHOLE)
        return False
    arrival = Arrival(
        queue=row.queue,
        routing_key=row.routing_key,
        body=bytes(row.body),
        properties=row.properties,
        headers=row.headers,
    )
    try:
        message = receiving.read(arrival, senders.rule() if asks_sender else None)
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


def discard_quarantined(ids: Chosen, reason: str) -> int:
    return Quarantine.objects.filter(id__in=ids, status=Quarantine.Status.WAITING).update(
        status=Quarantine.Status.DISCARDED, note=reason
    )
