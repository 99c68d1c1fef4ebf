"""Ids in the paths of an API: ``path("orders/<id:order_id>", …)``."""

from uuid import UUID

from django.urls import register_converter
from django.urls.converters import get_converters

NAME = "id"


class IdConverter:
    """A UUID in upper or lower case (RFC 9562 §4): the view gets the same ``UUID`` for both.

    Django's own ``<uuid:…>`` takes lower case alone, and answers 404 to the id of a client
    that writes its ids in upper case.
    """

    regex = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"

    def to_python(self, value: str) -> UUID:
        return UUID(value)

    def to_url(self, value: UUID | str) -> str:
        return str(value).lower()


def register() -> None:
    """Make ``<id:…>`` known; once in a process, before the first URL is read."""
    if NAME not in get_converters():
        register_converter(IdConverter, NAME)
