"""What staff can do about an order that could not be undone, and about goods that came back."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from atoll.admin.lines import LineField
from atoll.admin.options import ReadOnlyAdmin
from atoll.errors import Refusal
from atoll.identity.rights import Rights
from atoll.identity.roles import SUPPORT
from services.orders import selectors
from services.orders.compensation import Compensation
from services.orders.models import MAX_REASON_LENGTH, Order
from services.orders.usecases.advance import Cause
from services.orders.usecases.ask_again import ask_again
from services.orders.usecases.return_goods import return_goods
from services.orders.usecases.settle_by_hand import settle_by_hand


class SettleForm(BaseDialogForm):
    compensation = forms.ChoiceField(
        label="what", choices=Compensation.choices, widget=UnfoldAdminSelectWidget
    )
    reason = LineField(
        max_length=MAX_REASON_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="How it was settled, for whoever reads the history; the customer sees it too.",
    )


class ReturnForm(BaseDialogForm):
    note = LineField(
        required=False,
        max_length=MAX_REASON_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="Kept in the history; the customer sees it too.",
    )


def cause_of(request: HttpRequest) -> Cause:
    return Cause(actor=f"staff:{request.user.get_username()}")


class Mending(ReadOnlyAdmin):
    """The actions on an order, each written to the log of actions and to the order's history."""

    rights: ClassVar[Rights] = {
        "view": (SUPPORT,),
        "cancel": (SUPPORT,),
        "mend": (SUPPORT,),
        "return": (SUPPORT,),
    }

    def _is_among(self, orders: QuerySet[Order], request: HttpRequest, object_id: Any) -> bool:
        order = self.get_object(request, object_id)
        return order is not None and orders.filter(pk=order.pk).exists()

    def has_mend_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Of the one order that is shown: whether something of it failed to be undone."""
        return self.may(request, "mend") and (
            object_id is None or self._is_among(selectors.orders_not_undone(), request, object_id)
        )

    def has_return_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Of the one order that is shown: whether it is refunded and its goods are still sold."""
        return self.may(request, "return") and (
            object_id is None or self._is_among(selectors.orders_with_goods_out(), request, object_id)
        )

    @action(
        description="Goods came back…",
        permissions=["return"],
        url_path="return-goods",
        icon="assignment_return",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "The goods came back",
            "description": "All that this order bought is put into the stock again.",
            "form_class": ReturnForm,
            "form_submit_text": "Return to stock",
        },
    )
    def return_goods(self, request: HttpRequest, form: ReturnForm, object_id: str) -> HttpResponse:
        order = get_object_or_404(Order, pk=object_id)
        note = form.cleaned_data["note"]
        try:
            return_goods(order.pk, cause_of(request), note=note)
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            self.log_change(request, order, f"Goods came back: {note}" if note else "Goods came back")
            messages.success(request, "The goods are on their way into the stock.")
        return self._back_to_order(request, object_id)

    @admin.action(description="Ask again for what failed to be undone", permissions=["mend"])
    def ask_selected_again(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse:
        for order in queryset:
            self._ask_again(request, order)
        return HttpResponseRedirect(reverse("admin:orders_order_changelist"))

    @action(
        description="Ask again",
        permissions=["mend"],
        url_path="ask-again",
        icon="replay",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Ask again for what failed to be undone",
            "description": "The command goes out once more; it is harmless where it was carried out before.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Ask again",
        },
    )
    def ask_again(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        self._ask_again(request, get_object_or_404(Order, pk=object_id))
        return self._back_to_order(request, object_id)

    @action(
        description="Settled by hand…",
        permissions=["mend"],
        url_path="settle",
        icon="handshake",
        variant=ActionVariant.WARNING,
        dialog={
            "title": "Settled by hand",
            "description": (
                "Say this only when you have undone it yourself. First see to it that the service does not "
                "do it as well: discard its dead letter there."
            ),
            "form_class": SettleForm,
            "form_submit_text": "It is settled",
        },
    )
    def settle_by_hand(self, request: HttpRequest, form: SettleForm, object_id: str) -> HttpResponse:
        order = get_object_or_404(Order, pk=object_id)
        compensation, reason = Compensation(form.cleaned_data["compensation"]), form.cleaned_data["reason"]
        try:
            settle_by_hand(order.pk, compensation, cause_of(request), reason=reason)
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            self.log_change(request, order, f"{compensation.label} settled by hand: {reason}")
            messages.success(request, f"{compensation.label}: settled by hand.")
        return self._back_to_order(request, object_id)

    def _ask_again(self, request: HttpRequest, order: Order) -> None:
        try:
            asked = ask_again(order.pk, cause_of(request))
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            what = " and ".join(compensation.label.lower() for compensation in asked)
            self.log_change(request, order, f"Asked again: {what}")
            messages.success(request, f"{order}: {what} asked for again.")

    def _back_to_order(self, request: HttpRequest, order_id: str) -> HttpResponse:
        address = reverse("admin:orders_order_change", args=[order_id])
        if "HX-Request" in request.headers:
            return HttpResponse(headers={"HX-Redirect": address})
        return HttpResponseRedirect(address)
