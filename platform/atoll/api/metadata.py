"""The answer to OPTIONS."""

from typing import TYPE_CHECKING

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request

if TYPE_CHECKING:
    # REST framework imports this module, its default, while it imports its views.
    from rest_framework.views import APIView


class AllowedMethods(BaseMetadata):
    """An empty answer with the ``Allow`` header; ``/docs`` describes the methods.

    REST framework's own class asks the permissions of every method to describe its form, and a Refusal
    of one method becomes the answer.
    """

    def determine_metadata(self, request: Request, view: "APIView") -> None:
        return None
