"""The admin pages of reservations and stock movements."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
    RangeNumericFilter,
)
from unfold.decorators import display

from atoll.admin import ReadOnlyAdmin
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
    list_filter = (("state", ChoicesDropdownFilter), ("created_at", RangeDateTimeFilter))
    search_fields = ("order_id", "items__product__sku", "items__product__name")
    search_help_text = "Order id, SKU or product name"
    date_hierarchy = "created_at"
    fields = ("order_id", "coloured_state", "shortages", "created_at", "updated_at")
    inlines = (ReservedItemInline,)
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockReservation]:
        reservations: QuerySet[StockReservation] = super().get_queryset(request)
        return reservations.annotate(quantity=Subquery(selectors.pieces_of_reservation(OuterRef("pk"))))

    @display(description="state", ordering="state", label=STATE_COLOURS)
    def coloured_state(self, reservation: StockReservation) -> str:
        return reservation.state

    @display(description="pieces", ordering="quantity")
    def pieces(self, reservation: Any) -> int:
        return reservation.quantity or 0

    @display(description="products short of")
    def short_of(self, reservation: StockReservation) -> str:
        return str(len(reservation.shortages) or "")


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, CATALOGUE)}
    list_display = ("created_at", "product", "amount", "reason", "actor")
    list_filter = (("created_at", RangeDateTimeFilter), ("amount", RangeNumericFilter))
    list_select_related = ("product",)
    search_fields = ("product__sku", "product__name", "reason", "actor")
    search_help_text = "SKU, product name, reason or actor"
    date_hierarchy = "created_at"
