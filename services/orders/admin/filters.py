"""Filters of the list of orders."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from services.orders import selectors
from services.orders.models import Order


class ProgressFilter(DropdownFilter):
    title = "progress"
    parameter_name = "progress"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("open", "open"),
            ("overdue", "open past the deadline"),
            ("final", "final"),
            ("undoing", "in compensation"),
            ("failed", "compensation failed"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        match self.value():
            case "open":
                return queryset.filter(pk__in=selectors.open_orders().values("pk"))
            case "overdue":
                return queryset.filter(pk__in=selectors.overdue_orders().values("pk"))
            case "final":
                return queryset.exclude(pk__in=selectors.open_orders().values("pk"))
            case "undoing":
                return queryset.filter(pk__in=selectors.orders_in_compensation().values("pk"))
            case "failed":
                return queryset.filter(pk__in=selectors.orders_with_failed_compensation().values("pk"))
        return queryset
