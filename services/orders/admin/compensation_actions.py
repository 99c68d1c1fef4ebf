"""The actions of staff on failed compensations, and on goods that came back."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from atoll.admin import ReadOnlyAdmin, dialogs
from atoll.admin.lines import LineField
from atoll.errors import Refusal
from atoll.identity.rights import Rights
from atoll.identity.roles import SUPPORT
from services.orders import selectors
from services.orders.compensation import Compensation
from services.orders.models import MAX_REASON_LENGTH, Order
from services.orders.usecases.advance import Origin
from services.orders.usecases.ask_again import ask_again
from services.orders.usecases.return_goods import return_goods
from services.orders.usecases.settle_by_hand import settle_by_hand


class SettleForm(BaseDialogForm):
    compensation = forms.ChoiceField(
        label="compensation", choices=Compensation.choices, widget=UnfoldAdminSelectWidget
    )
    reason = LineField(
        max_length=MAX_REASON_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="How you settled it. The history stores this, and the customer sees it.",
    )


class ReturnForm(BaseDialogForm):
    note = LineField(
        required=False,
        max_length=MAX_REASON_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="The history stores this, and the customer sees it.",
    )


def origin_of(request: HttpRequest) -> Origin:
    return Origin(actor=f"staff:{request.user.get_username()}")


class CompensationActions(ReadOnlyAdmin):
    """Actions on an order. The admin log and the history of the order record each of them."""

    rights: ClassVar[Rights] = {
        "view": (SUPPORT,),
        "cancel": (SUPPORT,),
        "compensate": (SUPPORT,),
        "return": (SUPPORT,),
    }

    def _is_among(self, orders: QuerySet[Order], request: HttpRequest, object_id: Any) -> bool:
        order = self.get_object(request, object_id)
        return order is not None and orders.filter(pk=order.pk).exists()

    def has_compensate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """For one order: only if one of its compensations failed."""
        return self.may(request, "compensate") and (
            object_id is None
            or self._is_among(selectors.orders_with_failed_compensation(), request, object_id)
        )

    def has_return_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """For one order: only if it is refunded and its goods still count as sold."""
        return self.may(request, "return") and (
            object_id is None or self._is_among(selectors.orders_with_goods_out(), request, object_id)
        )

    @dialogs.action(
        description="Goods came back…",
        permissions=["return"],
        url_path="return-goods",
        icon="assignment_return",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "The goods came back",
            "description": "The stock gets all lines of this order back.",
            "form_class": ReturnForm,
            "form_submit_text": "Return to stock",
        },
    )
    def return_goods(self, request: HttpRequest, form: ReturnForm, object_id: str) -> HttpResponse:
        note = form.cleaned_data["note"]

        def act(order: Order) -> tuple[str, str]:
            return_goods(order.pk, origin_of(request), note=note)
            logged = f"Goods came back: {note}" if note else "Goods came back"
            return logged, "The goods are on their way into the stock."

        return self._act_on_one(request, object_id, act)

    @admin.action(description="Ask again for failed compensations", permissions=["compensate"])
    def ask_selected_again(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse:
        for order in queryset:
            self._act(request, order, partial(self._ask_again, request))
        return HttpResponseRedirect(reverse("admin:orders_order_changelist"))

    @dialogs.action(
        description="Ask again",
        permissions=["compensate"],
        url_path="ask-again",
        icon="replay",
        variant=ActionVariant.PRIMARY,
        dialog={
            "title": "Ask again for failed compensations",
            "description": "Orders sends the command again. It is harmless where it was carried out before.",
            "form_class": BaseDialogForm,
            "form_submit_text": "Ask again",
        },
    )
    def ask_again(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._act_on_one(request, object_id, partial(self._ask_again, request))

    @dialogs.action(
        description="Settled by hand…",
        permissions=["compensate"],
        url_path="settle",
        icon="handshake",
        variant=ActionVariant.WARNING,
        dialog={
            "title": "Settled by hand",
            "description": (
                "Use this only after you did the work of the compensation yourself. First discard its dead "
                "letter in the admin of the service, or the service may do the same work later."
            ),
            "form_class": SettleForm,
            "form_submit_text": "It is settled",
        },
    )
    def settle_by_hand(self, request: HttpRequest, form: SettleForm, object_id: str) -> HttpResponse:
        compensation, reason = Compensation(form.cleaned_data["compensation"]), form.cleaned_data["reason"]

        def act(order: Order) -> tuple[str, str]:
            settle_by_hand(order.pk, compensation, origin_of(request), reason=reason)
            return (
                f"{compensation.label} settled by hand: {reason}",
                f"{compensation.label}: settled by hand.",
            )

        return self._act_on_one(request, object_id, act)

    def _ask_again(self, request: HttpRequest, order: Order) -> tuple[str, str]:
        asked = ask_again(order.pk, origin_of(request))
        names = " and ".join(compensation.label.lower() for compensation in asked)
        return f"Asked again: {names}", f"{order}: {names} asked for again."

    def _act_on_one(
        self, request: HttpRequest, object_id: str, act: Callable[[Order], tuple[str, str]]
    ) -> HttpResponse:
        self._act(request, get_object_or_404(Order, pk=object_id), act)
        return dialogs.redirect(request, reverse("admin:orders_order_change", args=[object_id]))

    def _act(self, request: HttpRequest, order: Order, act: Callable[[Order], tuple[str, str]]) -> None:
        """Show a Refusal of ``act`` as an error; otherwise log its first text and show its second."""
        try:
            logged, shown = act(order)
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            self.log_change(request, order, logged)
            messages.success(request, shown)
