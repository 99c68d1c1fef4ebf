"""Answering "where does this service run?"."""

from registry.models import Service
from registry.selectors import Answer, visible
from registry.usecases.settle import settle


def discover(service_name: str) -> Answer:
    """The healthy, enabled instances at this moment. A name nobody registered has none, at index 1.

    Two reads when nothing changed. The index is read before the instances, so an answer is
    never older than its index.
    """
    service = Service.objects.filter(name=service_name).first()
    if service is None:
        return Answer(1, [], None)
    now = visible(service)
    if now.digest != service.answer_digest:
        return settle(service.pk)
    return Answer(service.index, now.instances, now.valid_s)
