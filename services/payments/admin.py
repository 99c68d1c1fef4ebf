"""The admin pages of payments and of the sandbox provider. Staff change a payment only by a refund."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from atoll import money
from atoll.admin import ReadOnlyAdmin, dialogs, elsewhere, register_tile, short_id
from atoll.admin.amounts import AmountFilter, by_amount
from atoll.admin.badges import badge
from atoll.admin.lines import LineField
from atoll.admin.times import TimeFilter
from atoll.errors import Refusal
from atoll.identity.rights import Rights
from atoll.identity.roles import SUPPORT
from services.payments import selectors
from services.payments.models import REASON_MAX_CHARS, Payment, SandboxCharge, SandboxRefund
from services.payments.usecases.refund_by_staff import refund_by_staff

STATUS_COLOURS = {
    "requested": "info",
    "completed": "success",
    "failed": "danger",
    "refunded": "warning",
    "refused": "danger",
}
STATE_COLOURS = {"captured": "success", "declined": "danger", "cancelled": "warning", "failed": "danger"}


class RefundForm(BaseDialogForm):
    reason = LineField(
        max_length=REASON_MAX_CHARS, widget=UnfoldAdminTextInputWidget, help_text="The order shows it."
    )
    return_goods = forms.BooleanField(
        label="Return the goods to the stock",
        required=False,
        widget=UnfoldBooleanWidget,
        help_text="Only if they are back. For goods that come back later, use the page of the order.",
    )


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT,), "refund": (SUPPORT,)}
    also_exported = ("amount",)
    list_display = (
        "order_id",
        "sum",
        "method",
        "coloured_status",
        "reason",
        "user",
        "created_at",
        "updated_at",
    )
    list_filter = (
        ("status", ChoicesDropdownFilter),
        "method",
        "currency",
        ("amount", AmountFilter),
        ("created_at", TimeFilter),
    )
    search_fields = ("order_id", "user_id", "id", "charge_reference", "refund_reference", "reason")
    search_help_text = "Order, user or payment id, provider's reference or reason"
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": ("id", "order", "account", "sum", "method", "coloured_status", "reason")}),
        ("Provider", {"fields": ("charge_reference", "refund_reference", "books")}),
        ("Time", {"fields": ("created_at", "updated_at", "refund_asked_at", "return_goods")}),
    )
    readonly_fields = ("order", "account")
    actions_detail = ("refund",)

    def has_refund_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """For one payment: only if it is refundable."""
        payment = object_id and self.get_object(request, object_id)
        return bool(payment and payment.is_refundable and self.may(request, "refund"))

    @display(description="amount", ordering=by_amount("amount"))
    def sum(self, payment: Payment) -> str:
        return "never asked for" if payment.amount is None else money.text(payment.amount, payment.currency)

    @badge(description="status", ordering="status", colours=STATUS_COLOURS)
    def coloured_status(self, payment: Payment) -> str:
        return payment.status

    @display(description="user", ordering="user_id")
    def user(self, payment: Payment) -> SafeString | str:
        return short_id(payment.user_id, search="")

    @display(description="order id", ordering="order_id")
    def order(self, payment: Payment) -> SafeString | str:
        return elsewhere.link(payment.order_id, "orders", f"orders/order/{payment.order_id}/change/")

    @display(description="customer id", ordering="user_id")
    def account(self, payment: Payment) -> SafeString | str:
        if payment.user_id is None:
            return "–"
        return elsewhere.link(payment.user_id, "users", f"users/user/{payment.user_id}/change/")

    @display(description="in the provider's books")
    def books(self, payment: Payment) -> SafeString | str:
        charges = selectors.charges_of(payment.order_id)
        lines = ((_in_words(charge),) for charge in charges)
        return format_html_join("", "<div>{}</div>", lines) or "nothing"

    @dialogs.action(
        description="Refund…",
        url_path="refund",
        permissions=["refund"],
        icon="currency_exchange",
        variant=ActionVariant.DANGER,
        dialog={
            "title": "Refund this payment",
            "description": (
                "The whole amount goes back to the customer and the order becomes refunded. "
                "This cannot be undone."
            ),
            "form_class": RefundForm,
            "form_submit_text": "Refund",
        },
    )
    def refund(self, request: HttpRequest, form: RefundForm, object_id: str) -> HttpResponse:
        payment = self.get_object(request, object_id)
        if payment is None:
            return HttpResponseRedirect(reverse("admin:payments_payment_changelist"))
        try:
            refund_by_staff(
                payment.pk,
                reason=form.cleaned_data["reason"],
                return_goods=form.cleaned_data["return_goods"],
            )
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            goods = ", goods returned" if form.cleaned_data["return_goods"] else ""
            self.log_change(request, payment, f"Refund{goods}: {form.cleaned_data['reason']}")
            messages.success(request, "The refund is on its way; the worker asks the provider now.")
        return dialogs.redirect(request, reverse("admin:payments_payment_change", args=[object_id]))


def _in_words(charge: SandboxCharge) -> str:
    taken = money.text(charge.amount, charge.currency)
    back = (
        f", {money.text(charge.refund.amount, charge.currency)} refunded" if hasattr(charge, "refund") else ""
    )
    return f"{taken} {charge.state}, requests: {charge.requests}{back}"


class DoubleChargeFilter(DropdownFilter):
    title = "charged twice"
    parameter_name = "twice"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "orders with two charges")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() != "yes":
            return queryset
        return queryset.filter(pk__in=selectors.charges_of_orders_charged_twice().values("pk"))


@admin.register(SandboxCharge)
class SandboxChargeAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT,)}
    list_display = (
        "memo",
        "sum",
        "method",
        "coloured_state",
        "requests",
        "refunded",
        "created_at",
    )
    also_exported = ("amount", "currency", "refund__amount")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        DoubleChargeFilter,
        "method",
        "currency",
        ("created_at", TimeFilter),
    )
    search_fields = ("memo", "key")
    search_help_text = "Order id or key"
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[SandboxCharge]:
        charges: QuerySet[SandboxCharge] = super().get_queryset(request)
        return charges.select_related("refund")

    @display(description="amount", ordering=by_amount("amount"))
    def sum(self, charge: SandboxCharge) -> str:
        return money.text(charge.amount, charge.currency)

    @badge(description="state", ordering="state", colours=STATE_COLOURS)
    def coloured_state(self, charge: SandboxCharge) -> str:
        return charge.state

    @display(description="refunded")
    def refunded(self, charge: SandboxCharge) -> str:
        """The amount; a dash for no refund, because a red cross would look like a problem."""
        return money.text(charge.refund.amount, charge.currency) if hasattr(charge, "refund") else "–"


@admin.register(SandboxRefund)
class SandboxRefundAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT,)}
    list_display = ("charge", "sum", "created_at")
    also_exported = ("amount", "charge__memo", "charge__currency")
    list_filter = (("created_at", TimeFilter),)
    list_select_related = ("charge",)
    search_fields = ("charge__memo", "charge__key")
    search_help_text = "Order id or key"
    date_hierarchy = "created_at"

    @display(description="amount", ordering=by_amount("amount", currency="charge__currency"))
    def sum(self, refund: SandboxRefund) -> str:
        return money.text(refund.amount, refund.charge.currency)


register_tile(
    "Payments without an outcome",
    selectors.count_unsettled,
    url_name="admin:payments_payment_changelist",
    query="status__exact=requested",
)
register_tile(
    "Orders charged twice",
    selectors.count_orders_charged_twice,
    url_name="admin:payments_sandboxcharge_changelist",
    query="twice=yes",
    alarming=True,
)
