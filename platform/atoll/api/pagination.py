"""Paging: a list is a plain JSON array, and headers give its place in the whole."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from atoll.errors import InvalidInput

__all__ = ["PARAMETERS", "PageNumberPagination"]

MAX_NUMBER_CHARS = 9
PARAMETERS = ("page", "pageSize")


class PageNumberPagination(BasePagination):
    """``?page=`` from 1 and ``?pageSize=`` (20, at most 100; more counts as 100).

    ``X-Total-Count`` counts all items. ``Link`` (RFC 8288) has first, prev, next and last. They are
    relative to the requested address, so that they also hold behind the gateway. A page past the end is
    empty. A parameter that is no positive number is refused with 400.
    """

    query_parameters = PARAMETERS
    page_size = 20
    max_page_size = 100

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        window = self.window(request)
        # Pages of an unordered query could repeat and skip rows.
        if isinstance(queryset, QuerySet):
            if not queryset.ordered:
                queryset = queryset.order_by("pk")
            self.total = queryset.count()
        else:
            self.total = len(queryset)
        return list(queryset[window]) if window.start < self.total else []

    def window(self, request: Request) -> slice:
        """The rows that the request asks for. Raises InvalidInput for a parameter that is no number."""
        self.request = request
        self.number = self._positive("page", 1)
        self.size = min(self._positive("pageSize", self.page_size), self.max_page_size)
        start = (self.number - 1) * self.size
        return slice(start, start + self.size)

    def _positive(self, name: str, default: int) -> int:
        given = self.request.query_params.get(name)
        if given is None:
            return default
        if not (given.isascii() and given.isdigit()) or len(given) > MAX_NUMBER_CHARS or int(given) < 1:
            raise InvalidInput(f"{name} must be a whole number from 1.", details={name: given})
        return int(given)

    def get_paginated_response(self, data: Any) -> Response:
        return Response(data, headers=self.headers())

    def headers(self) -> dict[str, str]:
        return {"X-Total-Count": str(self.total), "Link": self._links()}

    def _links(self) -> str:
        last = max(1, -(-self.total // self.size))
        pages = {"first": 1, "last": last}
        if self.number > 1:
            pages["prev"] = min(self.number - 1, last)
        if self.number < last:
            pages["next"] = self.number + 1
        before, after = self._around_the_page()
        return ", ".join(
            f'<?{before}page={page}{after}>; rel="{relation}"' for relation, page in pages.items()
        )

    def _around_the_page(self) -> tuple[str, str]:
        """The other parameters of the query, in their order."""
        before: list[str] = []
        after: list[str] = []
        part = before
        for name, values in self.request.query_params.lists():
            if name == "page":
                part = after
            else:
                part += [urlencode({name: value}) for value in values]
        return "".join(f"{given}&" for given in before), "".join(f"&{given}" for given in after)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return [
            _parameter("page", "Page, from 1.", {"minimum": 1, "default": 1}),
            _parameter(
                "pageSize",
                "Items a page.",
                {"minimum": 1, "maximum": self.max_page_size, "default": self.page_size},
            ),
        ]


def _parameter(name: str, description: str, limits: dict[str, int]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": {"type": "integer", **limits},
    }
