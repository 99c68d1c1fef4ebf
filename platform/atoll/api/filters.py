"""Filters of lists: django-filter, with an error for a parameter that the list does not declare."""

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from django_filters.widgets import SuffixedMultiWidget
from rest_framework.request import Request
from rest_framework.views import APIView

from atoll.api.queries import check_query

__all__ = ["StrictFilterBackend"]


class StrictFilterBackend(filters.DjangoFilterBackend):
    """The filter backend of every list, also of a list without filters.

    Refuses with 400 a parameter that neither the view's ``filterset_class`` nor its paging knows, and a
    parameter given twice. A view that reads other parameters names them in ``query_parameters``.
    """

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        filterset = self.get_filterset_class(view, queryset)
        fields = filterset.base_filters if filterset else {}
        known = {name for field, filter_ in fields.items() for name in _names(field, filter_)}
        many = {field for field, filter_ in fields.items() if _takes_many(filter_)}
        paging = getattr(getattr(view, "paginator", None), "query_parameters", ())
        own = getattr(view, "query_parameters", ())
        check_query(request.query_params, known | {*paging, *own}, many)
        narrowed: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return narrowed


def _names(field: str, filter_: Any) -> list[str]:
    """A range has one parameter for each end."""
    widget = filter_.field.widget
    if isinstance(widget, SuffixedMultiWidget):
        return [widget.suffixed(field, suffix) for suffix in widget.suffixes]
    return [field]


def _takes_many(filter_: Any) -> bool:
    return bool(getattr(filter_.field.widget, "allow_multiple_selected", False))
