"""Registers an instance and starts its lease."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from atoll.errors import Conflict, Refusal, Unprocessable
from registry.constants import LEASE, MAX_INSTANCES_PER_SERVICE, RETURN_AFTER
from registry.models import Instance, JournalEntry, Lease, Service, Tombstone
from registry.selectors import visible
from registry.usecases.refresh_index import notify, refresh_index


@dataclass(frozen=True)
class Offer:
    """A checked instance as its process describes it. ``incarnation`` is 0 when the process gives none."""

    id: str
    host: str
    address: str
    port: int
    metadata: dict[str, Any]
    incarnation: int = 0


@dataclass(frozen=True)
class Registered:
    is_new: bool
    index: int


def register(service_name: str, offer: Offer, *, actor: str) -> Registered:
    """Create or replace the instance and start its lease. Answers show it when this returns.

    Raises Conflict when the instance was deregistered, or when a later incarnation is registered, and
    Unprocessable when the service has too many instances. Only the journal changes then.
    """
    service = _service(service_name)
    with transaction.atomic():
        Service.objects.select_for_update().get(pk=service.pk)
        existing = Instance.objects.filter(service=service, instance_id=offer.id).first()
        refusal = _refusal(service, offer, existing)
        if refusal is None:
            is_new = _store(service, offer, existing, actor)
            index = refresh_index(service.pk).index
            notify(service.name)
    if refusal is not None:
        _journal(JournalEntry.Kind.REFUSED, service, offer, actor, {"reason": refusal.code})
        raise refusal
    return Registered(is_new, index)


def _service(name: str) -> Service:
    service, is_new = Service.objects.get_or_create(name=name)
    if is_new:
        empty = visible(service).digest
        Service.objects.filter(pk=service.pk, answer_digest="").update(answer_digest=empty)
    return service


def _refusal(service: Service, offer: Offer, existing: Instance | None) -> Refusal | None:
    if existing is not None and 0 < offer.incarnation < existing.incarnation:
        return Conflict(
            f"{offer.id} has registered again since; incarnation {offer.incarnation} is over.",
            code="stale_incarnation",
            details={"incarnation": existing.incarnation},
        )
    tombstone = Tombstone.objects.filter(service=service, instance_id=offer.id).first()
    if tombstone is not None and not _may_return(tombstone, offer):
        return Conflict(
            f"{offer.id} was deregistered. Register under a new id, or with a higher incarnation.",
            code="instance_deregistered",
            details={"incarnation": tombstone.incarnation},
        )
    count = Instance.objects.filter(service=service).count()
    if existing is None and count >= MAX_INSTANCES_PER_SERVICE:
        return Unprocessable(
            f"{service.name} already has {count} instances, the most a service may have.",
            code="too_many_instances",
        )
    return None


def _may_return(tombstone: Tombstone, offer: Offer) -> bool:
    """Whether the instance may register after its deregistration.

    With an incarnation, it must be higher than the buried one. Without, RETURN_AFTER must be over, so
    that late requests of the old process have arrived.
    """
    if offer.incarnation:
        return offer.incarnation > tombstone.incarnation
    return Tombstone.objects.filter(pk=tombstone.pk, buried_at__lt=Now() - RETURN_AFTER).exists()


def _store(service: Service, offer: Offer, existing: Instance | None, actor: str) -> bool:
    fields = {
        "host": offer.host,
        "address": offer.address,
        "port": offer.port,
        "metadata": offer.metadata,
        "incarnation": offer.incarnation or (existing.incarnation if existing else 0),
    }
    instance, is_new = Instance.objects.update_or_create(
        service=service, instance_id=offer.id, defaults=fields
    )
    Lease.objects.update_or_create(
        instance=instance, defaults={"beat_at": Now(), "expires_at": Now() + LEASE}
    )
    Tombstone.objects.filter(service=service, instance_id=offer.id).delete()
    if is_new:
        _journal(JournalEntry.Kind.REGISTERED, service, offer, actor, {})
    elif existing and any(getattr(existing, name) != value for name, value in fields.items()):
        _journal(JournalEntry.Kind.REPLACED, service, offer, actor, {})
    return is_new


def _journal(
    kind: JournalEntry.Kind, service: Service, offer: Offer, actor: str, details: dict[str, Any]
) -> None:
    JournalEntry.objects.create(
        kind=kind,
        service=service.name,
        instance_id=offer.id,
        actor=actor,
        details={"host": offer.host, "port": offer.port, "incarnation": offer.incarnation} | details,
    )
