"""Staff look at orders and may cancel open ones; nothing here writes a status by hand."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextInputWidget

from atoll.admin import ReadOnlyAdmin, register_tile, short_id
from atoll.errors import Conflict
from services.orders import selectors
from services.orders.course import Status
from services.orders.models import MAX_REASON_LENGTH, Order, OrderLine, OrderTransition
from services.orders.usecases.advance import Cause
from services.orders.usecases.cancel_order import cancel_order

STATUS_TONES = {
    Status.PENDING: "info",
    Status.AWAITING_PAYMENT: "warning",
    Status.CONFIRMED: "success",
    Status.CANCELLED: "danger",
}


NO_BREAK_SPACE = "\u00a0"


class ProgressFilter(DropdownFilter):
    title = "progress"
    parameter_name = "progress"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "open"), ("overdue", "open past the deadline"), ("final", "final")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        match self.value():
            case "open":
                return queryset.filter(pk__in=selectors.open_orders().values("pk"))
            case "overdue":
                return queryset.filter(pk__in=selectors.overdue_orders().values("pk"))
            case "final":
                return queryset.exclude(pk__in=selectors.open_orders().values("pk"))
        return queryset


class CancelForm(forms.Form):
    reason = forms.CharField(
        max_length=MAX_REASON_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="The customer sees this.",
    )


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
    fields = ("product_id", "name", "quantity", "unit_price", "amount")
    readonly_fields = ("amount",)


class HistoryInline(ReadOnlyInline):
    model = OrderTransition
    verbose_name_plural = "history"
    readonly_fields = ("when", "message", "correlation")
    fields = ("when", "event", "from_status", "to_status", "reason", "actor", "message", "correlation")

    @display(description="at")
    def when(self, entry: OrderTransition) -> str:
        """To the millisecond: an order's whole course often fits into one second."""
        return entry.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

    @display(description="message id")
    def message(self, entry: OrderTransition) -> SafeString | str:
        return short_id(entry.message_id, search=reverse("admin:atoll_bus_inbox_changelist"))

    @display(description="correlation id")
    def correlation(self, entry: OrderTransition) -> SafeString | str:
        return short_id(entry.correlation_id, search=reverse("admin:atoll_bus_outbox_changelist"))


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ("id", "customer", "coloured_status", "amount", "reason", "created_at", "took")
    list_filter = (
        ProgressFilter,
        ("status", ChoicesDropdownFilter),
        ("created_at", RangeDateTimeFilter),
        "payment_method",
        "currency",
    )
    search_fields = ("id", "user_id", "customer_name", "customer_email", "reason", "lines__name")
    search_help_text = "Order or customer id, name, email, reason or product"
    date_hierarchy = "created_at"
    inlines = (LinesInline, HistoryInline)
    fieldsets = (
        (None, {"fields": ("id", "status", "reason", "amount", "payment_method")}),
        ("Customer", {"fields": ("customer_name", "customer_email", "user_id")}),
        ("Time", {"fields": ("created_at", "deadline_at", "finished_at", "took", "updated_at")}),
    )
    actions = ("cancel_selected_orders",)
    actions_detail = ("cancel_this_order",)

    def has_cancel_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("orders.change_order"))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """A final order has nothing left to do to it."""
        is_open = selectors.is_open(object_id)
        return super().get_actions_detail(request, object_id) if is_open else []

    @display(description="customer", ordering="customer_name", header=True)
    def customer(self, order: Order) -> tuple[str, str]:
        return order.customer_name, order.customer_email

    @display(description="status", ordering="status", label=STATUS_TONES)
    def coloured_status(self, order: Order) -> tuple[str, str]:
        return order.status, order.get_status_display()

    @display(description="total", ordering="total")
    def amount(self, order: Order) -> str:
        return f"{order.total}{NO_BREAK_SPACE}{order.currency}"

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
        """Ask for the reason first; with one, cancel what is still open and tell what was not."""
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
        cause = Cause(actor=f"staff:{request.user.get_username()}")
        for order_id in list(orders.values_list("pk", flat=True)):
            try:
                order = cancel_order(order_id, cause, reason=form.cleaned_data["reason"])
            except Conflict as refusal:
                messages.error(request, f"Order {order_id}: {refusal.message}")
            else:
                messages.success(request, f"{order} is cancelled: {order.reason}")
        return HttpResponseRedirect(back_to)


register_tile(
    "Open orders",
    selectors.count_open_orders,
    url_name="admin:orders_order_changelist",
    query="progress=open",
)
register_tile(
    "Orders past their deadline",
    selectors.count_overdue_orders,
    url_name="admin:orders_order_changelist",
    query="progress=overdue",
    alarming=True,
)
