"""The admin pages of reservations and stock movements."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeNumericFilter
from unfold.decorators import display

from atoll.admin import ReadOnlyAdmin, actors, elsewhere
from atoll.admin.badges import badge
from atoll.admin.times import TimeFilter
from atoll.identity.rights import Rights
from atoll.identity.roles import CATALOGUE, SUPPORT
from services.products import selectors
from services.products.models import ReservedItem, StockMovement, StockReservation

STATE_COLOURS = {
    "held": "info",
    "committed": "success",
    "released": "warning",
    "rejected": "danger",
    "returned": "warning",
}


class ReservedItemInline(TabularInline):
    model = ReservedItem
    extra = 0
    fields = ("product", "quantity")
    readonly_fields = ("product", "quantity")
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(StockReservation)
class StockReservationAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, CATALOGUE)}
    list_display = ("order_id", "coloured_state", "pieces", "short_of", "created_at", "updated_at")
    list_filter = (("state", ChoicesDropdownFilter), ("created_at", TimeFilter))
    search_fields = ("order_id", "items__product__sku", "items__product__name")
    search_help_text = "Order id, SKU or product name"
    date_hierarchy = "created_at"
    fields = ("order", "coloured_state", "shortages", "created_at", "updated_at")
    readonly_fields = ("order",)
    inlines = (ReservedItemInline,)
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockReservation]:
        reservations: QuerySet[StockReservation] = super().get_queryset(request)
        return reservations.annotate(quantity=Subquery(selectors.pieces_of_reservation(OuterRef("pk"))))

    @badge(description="state", ordering="state", colours=STATE_COLOURS)
    def coloured_state(self, reservation: StockReservation) -> str:
        return reservation.state

    @display(description="order id", ordering="order_id")
    def order(self, reservation: StockReservation) -> SafeString | str:
        return elsewhere.link(reservation.order_id, "orders", f"orders/order/{reservation.order_id}/change/")

    @display(description="pieces", ordering="quantity")
    def pieces(self, reservation: Any) -> int:
        return reservation.quantity or 0

    @display(description="products short of")
    def short_of(self, reservation: StockReservation) -> str:
        return str(len(reservation.shortages) or "")


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, CATALOGUE)}
    list_display = ("created_at", "product", "amount", "reason", "by")
    also_exported = ("product__sku",)
    list_filter = (("created_at", TimeFilter), ("amount", RangeNumericFilter))
    list_select_related = ("product",)
    search_fields = ("product__sku", "product__name", "reason", "actor")
    search_help_text = "SKU, product name, reason or actor"
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockMovement]:
        return actors.with_person(super().get_queryset(request))

    @display(description="by", ordering="actor")
    def by(self, movement: StockMovement) -> str:
        return actors.shown(movement)
