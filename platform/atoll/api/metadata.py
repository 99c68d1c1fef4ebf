"""What OPTIONS answers."""

from typing import TYPE_CHECKING

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request

if TYPE_CHECKING:
    # REST framework imports this module, its default, while it imports its views.
    from rest_framework.views import APIView


class AllowedMethods(BaseMetadata):
    """Nothing beside the ``Allow`` header; what an address takes and gives is described at ``/docs``.

    REST framework's own asks the permissions of every method for its form, and takes a Refusal
    there for an answer.
    """

    def determine_metadata(self, request: Request, view: "APIView") -> None:
        return None
