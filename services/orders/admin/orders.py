"""The admin pages of orders. Staff change an order only by actions."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextInputWidget

from atoll.admin import elsewhere
from atoll.admin.amounts import by_amount
from atoll.admin.badges import badge
from atoll.admin.lines import LineField
from atoll.admin.times import TimeFilter
from atoll.errors import Conflict
from services.orders import selectors
from services.orders.admin.badge_colours import COMPENSATION_COLOURS, STATUS_COLOURS
from services.orders.admin.compensation_actions import CompensationActions, origin_of
from services.orders.admin.filters import ProgressFilter
from services.orders.admin.inlines import CompensationsInline, HistoryInline, LinesInline
from services.orders.models import MAX_REASON_LENGTH, Order
from services.orders.usecases.cancel_order import cancel_order

NO_BREAK_SPACE = "\u00a0"
# Links on the page of one order.
MAX_CORRELATIONS = 10


class CancelForm(forms.Form):
    reason = LineField(
        max_length=MAX_REASON_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="The customer sees this.",
    )


@admin.register(Order)
class OrderAdmin(CompensationActions):
    list_display = (
        "id",
        "customer",
        "coloured_status",
        "compensation",
        "amount",
        "reason",
        "created_at",
        "took",
    )
    also_exported = ("total",)
    list_filter = (
        ProgressFilter,
        ("status", ChoicesDropdownFilter),
        ("created_at", TimeFilter),
        "payment_method",
        "currency",
    )
    search_fields = ("id", "user_id", "customer_name", "customer_email", "reason", "lines__name")
    search_help_text = "Order or customer id, name, email, reason or product"
    date_hierarchy = "created_at"
    inlines = (LinesInline, CompensationsInline, HistoryInline)
    fieldsets = (
        (None, {"fields": ("id", "coloured_status", "compensation", "reason", "amount", "payment_method")}),
        ("Customer", {"fields": ("customer_name", "customer_email", "account")}),
        ("Elsewhere", {"fields": ("payment", "stock", "message_traces", "gateway_requests")}),
        ("Time", {"fields": ("created_at", "deadline_at", "finished_at", "took", "updated_at")}),
    )
    readonly_fields = ("account", "payment", "stock", "message_traces", "gateway_requests")
    actions = ("cancel_selected_orders", "ask_selected_again")
    actions_detail = ("cancel_this_order", "return_goods", "ask_again", "settle_by_hand")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        orders: QuerySet[Order] = super().get_queryset(request)
        return orders.prefetch_related("compensations")

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may(request, "cancel") and (
            object_id is None or self._is_among(selectors.open_orders(), request, object_id)
        )

    @display(description="customer", ordering="customer_name", header=True)
    def customer(self, order: Order) -> tuple[str, str]:
        return order.customer_name, order.customer_email

    @badge(description="status", ordering="status", colours=STATUS_COLOURS)
    def coloured_status(self, order: Order) -> tuple[str, str]:
        return order.status, order.get_status_display()

    @badge(description="compensation", colours=COMPENSATION_COLOURS)
    def compensation(self, order: Order) -> tuple[str, str] | str:
        """The most urgent state of the order's compensations."""
        states = {row.state for row in order.compensations.all()}
        worst = next((state for state in COMPENSATION_COLOURS if state in states), None)
        return (worst, worst.label) if worst else "–"

    @display(description="total", ordering=by_amount("total"))
    def amount(self, order: Order) -> str:
        return order.amount

    @display(description="customer id", ordering="user_id")
    def account(self, order: Order) -> SafeString | str:
        return elsewhere.link(order.user_id, "users", f"users/user/{order.user_id}/change/")

    @display(description="payment")
    def payment(self, order: Order) -> SafeString | str:
        return elsewhere.link("Payment and refund", "payments", "payments/payment/", q=str(order.pk))

    @display(description="stock")
    def stock(self, order: Order) -> SafeString | str:
        return elsewhere.link(
            "Reservation of the stock", "products", "products/stockreservation/", q=str(order.pk)
        )

    @display(description="messages")
    def message_traces(self, order: Order) -> SafeString | str:
        """Every message and handler of the order, in all services."""
        where = reverse("admin:atoll_bus_where")
        return format_html_join(
            ", ",
            '<a class="atoll-link" href="{}?q={}">{}</a>',
            ((where, one, one) for one in self._correlation_ids(order)),
        )

    @display(description="requests")
    def gateway_requests(self, order: Order) -> SafeString | str:
        """The requests at the gateway that led to the steps of the order."""
        links = (
            elsewhere.link(one, "gateway", "gateway/requestlog/", q=one)
            for one in self._correlation_ids(order)
        )
        return format_html_join(", ", "{}", ((one,) for one in links))

    def _correlation_ids(self, order: Order) -> list[str]:
        """Of the history, the oldest first, each once."""
        found = order.history.exclude(correlation_id="").values_list("correlation_id", flat=True)
        return list(dict.fromkeys(found))[:MAX_CORRELATIONS]

    @display(description="took")
    def took(self, order: Order) -> str:
        if order.finished_at is None:
            return "open"
        return f"{(order.finished_at - order.created_at).total_seconds():.2f}{NO_BREAK_SPACE}s"

    @admin.action(description="Cancel the selected orders…", permissions=["cancel"])
    def cancel_selected_orders(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse:
        return self._ask_and_cancel(request, queryset, back_to=reverse("admin:orders_order_changelist"))

    @action(
        description="Cancel…",
        permissions=["cancel"],
        url_path="cancel",
        icon="cancel",
        variant=ActionVariant.DANGER,
    )
    def cancel_this_order(self, request: HttpRequest, object_id: str) -> HttpResponse:
        back_to = reverse("admin:orders_order_change", args=[object_id])
        return self._ask_and_cancel(request, Order.objects.filter(pk=object_id), back_to=back_to)

    def _ask_and_cancel(self, request: HttpRequest, orders: QuerySet[Order], *, back_to: str) -> HttpResponse:
        """Show the form for the reason; with a reason, cancel the open orders and report the others."""
        form = CancelForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            page = {
                **self.admin_site.each_context(request),
                "title": "Cancel orders",
                "orders": orders,
                "form": form,
                "opts": self.opts,
                "back_to": back_to,
            }
            return TemplateResponse(request, "admin/orders/order/cancel.html", page)
        origin = origin_of(request)
        for order_id in list(orders.values_list("pk", flat=True)):
            try:
                order = cancel_order(order_id, origin, reason=form.cleaned_data["reason"])
            except Conflict as refusal:
                messages.error(request, f"Order {order_id}: {refusal.message}")
            else:
                self.log_change(request, order, f"Cancelled: {order.reason}")
                messages.success(request, f"{order} is cancelled: {order.reason}")
        return HttpResponseRedirect(back_to)
