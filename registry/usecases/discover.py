"""Finds the instances of a service."""

from registry.models import Service
from registry.selectors import UNKNOWN, Answer, visible
from registry.usecases.refresh_index import refresh_index


def discover(service_name: str) -> Answer:
    """The instances to call now: the healthy ones, or the last known ones of a service that is silent as
    a whole. An unknown name has none, at index 1.

    The index is read before the instances, so an answer is never older than its index.
    """
    service = Service.objects.filter(name=service_name).first()
    if service is None:
        return Answer(1, [], None, UNKNOWN)
    now = visible(service)
    if now.digest != service.answer_digest:
        return refresh_index(service.pk)
    return Answer(service.index, now.instances, now.valid_s, now.state, tuple(now.registered))
