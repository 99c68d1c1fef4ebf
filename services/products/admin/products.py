"""The admin pages of products. Staff change products and their stock by use cases."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet, Sum
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AllValuesCheckboxFilter, DropdownFilter
from unfold.decorators import display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from atoll import money
from atoll.admin import ModelAdmin, dialogs
from atoll.admin.amounts import AmountFilter, by_amount
from atoll.admin.confirming import asks_first
from atoll.admin.lines import LineField
from atoll.admin.times import TimeFilter
from atoll.errors import Refusal
from atoll.identity.rights import Rights
from atoll.identity.roles import CATALOGUE, SUPPORT
from services.products.models import MAX_STOCK, Product
from services.products.usecases.changes import EDITABLE
from services.products.usecases.create_product import create_product
from services.products.usecases.delete_product import delete_product
from services.products.usecases.receive_stock import REASON_MAX_CHARS, receive_stock
from services.products.usecases.update_product import update_product

LOW_STOCK = 10


LEAVES_CATALOGUE = (
    "Customers no longer find or order them. Open orders with them continue. You can bring them back later."
)


def _actor(request: HttpRequest) -> str:
    return f"staff:{request.user.get_username()}"


def _products(count: int) -> str:
    return "1 product was" if count == 1 else f"{count} products were"


class AvailabilityFilter(DropdownFilter):
    title = "availability"
    parameter_name = "availability"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        few, many = f"{LOW_STOCK} or fewer left", f"over {LOW_STOCK} left"
        return [("out", "sold out"), ("low", few), ("plenty", many)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "out":
                return queryset.filter(available__lte=0)
            case "low":
                return queryset.filter(available__range=(1, LOW_STOCK))
            case "plenty":
                return queryset.filter(available__gt=LOW_STOCK)
            case _:
                return queryset


class ReceiveStockForm(BaseDialogForm):
    amount = forms.IntegerField(
        min_value=-MAX_STOCK,
        max_value=MAX_STOCK,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Pieces that came in; negative for pieces that were lost or miscounted.",
    )
    reason = LineField(max_length=REASON_MAX_CHARS, widget=UnfoldAdminTextInputWidget)


@admin.register(Product)
class ProductAdmin(ModelAdmin):
    rights: ClassVar[Rights] = {
        "view": (SUPPORT, CATALOGUE),
        "add": (CATALOGUE,),
        "change": (CATALOGUE,),
        "receive_stock": (CATALOGUE,),
    }
    never = frozenset({"delete"})
    list_display = (
        "code", "name", "category", "amount", "stock_on_hand", "stock_reserved", "left", "is_active",
        "updated_at",
    )  # fmt: skip
    list_display_links = ("code", "name")
    also_exported = ("price", "currency")
    list_filter = (
        ("category", AllValuesCheckboxFilter),
        "is_active",
        AvailabilityFilter,
        "currency",
        ("price", AmountFilter),
        ("updated_at", TimeFilter),
    )
    search_fields = ("sku", "name", "description", "id")
    search_help_text = "SKU, name, description or id"
    ordering = ("name", "id")
    fieldsets = (
        (None, {"fields": ("sku", "name", "description", "category", "is_active")}),
        ("Price", {"fields": (("price", "currency"),)}),
        ("Stock", {"fields": (("stock_on_hand", "stock_reserved", "left"),)}),
        ("Record", {"fields": ("id", "created_at", "updated_at")}),
    )
    ask_before_off: ClassVar = {"is_active": LEAVES_CATALOGUE}
    actions = ("delete_selected_products", "bring_back_selected_products")
    actions_detail = ("receive_stock",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Product]:
        rows: QuerySet[Product] = super().get_queryset(request)
        return rows.defer("search", "spelling").annotate(available=F("stock_on_hand") - F("stock_reserved"))

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Product | None:
        """The price with the places of its currency; the form would show four places."""
        product: Product | None = super().get_object(request, *args, **kwargs)
        if product is not None:
            product.price = money.exact(product.price, product.currency)
        return product

    def get_readonly_fields(self, request: HttpRequest, obj: Product | None = None) -> tuple[str, ...]:
        booked = ("stock_reserved", "left", "id", "created_at", "updated_at")
        return booked if obj is None else ("stock_on_hand", *booked)

    def has_receive_stock_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may(request, "receive_stock")

    @display(description="SKU", ordering="sku")
    def code(self, product: Product) -> SafeString:
        return format_html('<span class="whitespace-nowrap">{}</span>', product.sku)

    @display(description="price", ordering=by_amount("price"))
    def amount(self, product: Product) -> str:
        return money.text(product.price, product.currency)

    @display(description="available", ordering="available")
    def left(self, product: Product) -> int:
        return product.stock_available

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Product, form: ModelForm, change: bool) -> None:
        if change:
            values = {name: form.cleaned_data[name] for name in form.changed_data if name in EDITABLE}
            update_product(obj.pk, values)
            return
        created = create_product(
            **{name: form.cleaned_data[name] for name in (*EDITABLE, "stock_on_hand")}, actor=_actor(request)
        )
        obj.pk = created.pk
        obj._state.adding = False

    def affected(self, rows: QuerySet[Product]) -> list[str]:
        held = rows.filter(is_active=True, stock_reserved__gt=0)
        pieces = held.aggregate(pieces=Sum("stock_reserved"))["pieces"] or 0
        return [f"Pieces that unpaid orders hold: {pieces}, of products: {held.count()}. These orders go on."]

    @admin.action(description="Take out of the catalogue…", permissions=["change"])
    @asks_first(
        warning=LEAVES_CATALOGUE,
        button="Take out of the catalogue",
    )
    def delete_selected_products(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        ids = list(queryset.filter(is_active=True).values_list("id", flat=True))
        for product in queryset.filter(is_active=True):
            self.log_change(request, product, "taken out of the catalogue")
        for product_id in ids:
            delete_product(product_id)
        messages.success(request, f"{_products(len(ids))} taken out of the catalogue.")

    @admin.action(description="Bring back into the catalogue", permissions=["change"])
    def bring_back_selected_products(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        ids = list(queryset.filter(is_active=False).values_list("id", flat=True))
        for product in queryset.filter(is_active=False):
            self.log_change(request, product, "brought back into the catalogue")
        for product_id in ids:
            update_product(product_id, {"is_active": True})
        messages.success(request, f"{_products(len(ids))} brought back.")

    @dialogs.action(
        description="Receive stock…",
        url_path="receive-stock",
        permissions=["receive_stock"],
        icon="inventory",
        dialog={
            "title": "Receive stock",
            "description": "Adds pieces to the stock on hand. The history stores your name and the reason.",
            "form_class": ReceiveStockForm,
            "form_submit_text": "Receive",
        },
    )
    def receive_stock(self, request: HttpRequest, form: ReceiveStockForm, object_id: str) -> HttpResponse:
        product = self.get_object(request, object_id)
        if product is None:
            return HttpResponseRedirect(reverse("admin:products_product_changelist"))
        try:
            movement = receive_stock(
                product.pk,
                amount=form.cleaned_data["amount"],
                reason=form.cleaned_data["reason"],
                actor=_actor(request),
            )
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(
                request, f"{movement.amount:+d}: there are {movement.product.stock_on_hand} on hand now."
            )
        return dialogs.redirect(request, reverse("admin:products_product_change", args=[object_id]))
