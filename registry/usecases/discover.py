"""Answering "where does this service run?"."""

from registry.models import Service
from registry.selectors import UNKNOWN, Answer, visible
from registry.usecases.settle import settle


def discover(service_name: str) -> Answer:
    """The instances to call at this moment: healthy and enabled, or the last known ones of a service
    that fell silent as a whole. A name nobody registered has none, at index 1.

    Two reads when nothing changed. The index is read before the instances, so an answer is
    never older than its index.
    """
    service = Service.objects.filter(name=service_name).first()
    if service is None:
        return Answer(1, [], None, UNKNOWN)
    now = visible(service)
    if now.digest != service.answer_digest:
        return settle(service.pk)
    return Answer(service.index, now.instances, now.valid_s, now.state, tuple(now.seats))
