"""The lines, the compensations and the history on the page of an order."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from atoll.admin import elsewhere, journey_link, short_id
from atoll.admin.badges import badge
from services.orders.admin.badge_colours import COMPENSATION_COLOURS
from services.orders.models import OrderCompensation, OrderLine, OrderTransition


class ReadOnlyInline(TabularInline):
    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class LinesInline(ReadOnlyInline):
    model = OrderLine
    fields = ("product", "name", "quantity", "price", "amount")
    readonly_fields = ("product", "price", "amount")

    @display(description="product id")
    def product(self, line: OrderLine) -> SafeString | str:
        return elsewhere.link(line.product_id, "products", f"products/product/{line.product_id}/change/")


class CompensationsInline(ReadOnlyInline):
    model = OrderCompensation
    verbose_name_plural = "compensations"
    readonly_fields = ("coloured_state",)
    fields = ("kind", "coloured_state", "reason", "asks", "asked_at", "due_at", "ended_at", "ended_by")

    @badge(description="state", colours=COMPENSATION_COLOURS)
    def coloured_state(self, row: OrderCompensation) -> tuple[str, str]:
        return row.state, row.get_state_display()


class HistoryInline(ReadOnlyInline):
    model = OrderTransition
    verbose_name_plural = "history"
    readonly_fields = ("when", "message", "correlation")
    fields = (
        "when",
        "event",
        "from_status",
        "to_status",
        "undoing",
        "reason",
        "actor",
        "message",
        "correlation",
    )

    @display(description="at")
    def when(self, entry: OrderTransition) -> str:
        """With milliseconds, because an order often goes through all its states within one second."""
        return f"{entry.at:%Y-%m-%d %H:%M:%S}.{entry.at.microsecond // 1000:03} UTC"

    @display(description="message id")
    def message(self, entry: OrderTransition) -> SafeString | str:
        return short_id(entry.message_id, search=reverse("admin:atoll_bus_where"))

    @display(description="correlation id")
    def correlation(self, entry: OrderTransition) -> SafeString | str:
        where = short_id(entry.correlation_id, search=reverse("admin:atoll_bus_where"))
        return format_html("{}{}", where, journey_link(entry.correlation_id))
