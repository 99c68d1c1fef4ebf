"""Content negotiation, quick for the clients that take our one format."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from atoll.api.renderers import JSONRenderer

PLAIN = frozenset({"*/*", JSONRenderer.media_type})


class ContentNegotiation(DefaultContentNegotiation):
    """REST framework's own rules. Most requests accept just anything, or JSON, which needs no parsing."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        accepted: Any = request.META.get("HTTP_ACCEPT", "*/*")
        if type(first) is JSONRenderer and format_suffix is None and accepted in PLAIN:
            return first, first.media_type
        chosen: tuple[BaseRenderer, str] = super().select_renderer(request, renderers, format_suffix)
        return chosen
