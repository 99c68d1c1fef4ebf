"""Filters of the list of orders."""
# ruff: noqa: N815  (a filter's name is the name of its parameter on the wire)

from django.db.models import QuerySet
from django_filters import rest_framework as filters

from atoll import money
from services.orders import selectors
from services.orders.models import Order
from services.orders.state_machine import Status


class OrderFilter(filters.FilterSet):
    """``createdAfter`` includes its moment, ``createdBefore`` does not: periods can follow each other.

    An unknown filter is an error: without it the client would get more orders than it asked for.
    """

    status = filters.ChoiceFilter(choices=Status.choices, method="filter_status")
    userId = filters.UUIDFilter(field_name="user_id")
    currency = filters.ChoiceFilter(choices=[(code, code) for code in sorted(money.PLACES)])
    createdAfter = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    createdBefore = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Order
        fields: tuple[str, ...] = ()

    def filter_status(self, orders: QuerySet[Order], name: str, status: str) -> QuerySet[Order]:
        return selectors.with_status(orders, Status(status))
