"""What a list of orders can be narrowed to."""
# ruff: noqa: N815  (a filter's name is the name of its parameter on the wire)

from django_filters import rest_framework as filters

from atoll import money
from services.orders.course import Status
from services.orders.models import Order


class OrderFilter(filters.FilterSet):
    """``createdAfter`` is inclusive, ``createdBefore`` is not, so that periods can be lined up.

    A mistyped filter is told and not ignored; a list that is wider than asked for misleads.
    """

    status = filters.ChoiceFilter(choices=Status.choices)
    userId = filters.UUIDFilter(field_name="user_id")
    currency = filters.ChoiceFilter(choices=[(code, code) for code in sorted(money.PLACES)])
    createdAfter = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    createdBefore = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Order
        fields: tuple[str, ...] = ()
