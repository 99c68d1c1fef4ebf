"""What a list of orders can be narrowed to."""
# ruff: noqa: N815  (a filter's name is the name of its parameter on the wire)

from typing import Any

from django_filters import rest_framework as filters
from rest_framework.exceptions import ValidationError

from services.orders.course import Status
from services.orders.models import Order

PAGING = {"page", "pageSize"}


class OrderFilter(filters.FilterSet):
    """``createdAfter`` is inclusive, ``createdBefore`` is not, so that periods can be lined up.

    A mistyped filter is told and not ignored; a list that is wider than asked for misleads.
    """

    status = filters.ChoiceFilter(choices=Status.choices)
    userId = filters.UUIDFilter(field_name="user_id")
    createdAfter = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    createdBefore = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Order
        fields: tuple[str, ...] = ()

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(data, *args, **kwargs)
        unknown = set(data or ()) - set(self.filters) - PAGING
        if unknown:
            raise ValidationError({name: ["Unknown filter."] for name in sorted(unknown)})
