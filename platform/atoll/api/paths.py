"""Ids in the paths of an API: ``path("orders/<id:order_id>", …)``."""

from uuid import UUID

from django.urls import register_converter
from django.urls.converters import get_converters

NAME = "id"


class IdConverter:
    """A UUID in upper or lower case (RFC 9562 §4). The view gets the same ``UUID`` for both.

    Django's own ``<uuid:…>`` takes only lower case, and answers 404 to an id in upper case.
    """

    regex = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

    def to_python(self, value: str) -> UUID:
        return UUID(value)

    def to_url(self, value: UUID | str) -> str:
        return str(value).lower()


def register() -> None:
    """Make ``<id:…>`` known to Django. Call it once in a process, before any URL pattern is read."""
    if NAME not in get_converters():
        register_converter(IdConverter, NAME)
