"""Products, reservations for orders, and movements of the stock.

Constraints of the database state the rules that must always hold. They stop a mistake in a use
case, in the admin and in SQL typed by hand.
"""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Concat
from django.utils import timezone

from atoll import money
from atoll.ids import uuid7
from services.products.managers import ProductManager, StockReservationManager

MAX_STOCK = 1_000_000_000
# A hundred lines of a thousand pieces each are within money.MAX_MINOR_UNITS.
MAX_PRICE_MINOR_UNITS = 10**10 - 1

# Python and PostgreSQL read these alike; with "$" Python would accept a final newline.
SKU_PATTERN = r"^[A-Z0-9]+(-[A-Z0-9]+)*\Z"
CATEGORY_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*\Z"
CURRENCY_PATTERN = r"^[A-Z]{3}\Z"


def shop_currency() -> str:
    return str(settings.SHOP_CURRENCY)


def validate_currency(code: str) -> None:
    try:
        money.places(code)
    except money.UnknownCurrency as unknown:
        raise ValidationError(str(unknown)) from None


class Product(models.Model):
    """A product of the catalogue.

    ``stock_on_hand`` counts the pieces in the warehouse, ``stock_reserved`` the pieces that unpaid
    orders hold. A product is never deleted, because reservations and orders refer to it; it
    becomes inactive.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sku = models.CharField(
        "SKU",
        max_length=40,
        unique=True,
        validators=[RegexValidator(SKU_PATTERN, "Use capital letters, digits and single hyphens.")],
        error_messages={"unique": "Another product has this SKU."},
    )
    name = models.CharField(max_length=200)
    description = models.TextField(max_length=5000, blank=True, default="")
    category = models.CharField(
        max_length=64,
        validators=[RegexValidator(CATEGORY_PATTERN, "Use small letters, digits and single hyphens.")],
    )
    price = models.DecimalField(max_digits=money.DIGITS, decimal_places=money.DECIMALS)
    currency = models.CharField(max_length=3, default=shop_currency, validators=[validate_currency])
    stock_on_hand = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(MAX_STOCK)])
    stock_reserved = models.PositiveIntegerField(default=0, editable=False)
    is_active = models.BooleanField("active", default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    search = models.GeneratedField(
        expression=(
            SearchVector("name", config="english", weight="A")
            + SearchVector("sku", config="english", weight="A")
            + SearchVector("category", config="english", weight="B")
            + SearchVector("description", config="english", weight="C")
        ),
        output_field=SearchVectorField(),
        db_persist=True,
    )
    # The text for misspelt searches. It leaves out descriptions: their many words would hide the names.
    spelling = models.GeneratedField(
        expression=Concat(F("name"), Value(" "), F("category"), Value(" "), F("sku")),
        output_field=models.TextField(),
        db_persist=True,
    )

    objects = ProductManager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(name="product_price_positive", condition=Q(price__gt=0)),
            models.CheckConstraint(
                name="product_stock_within_bounds",
                condition=Q(
                    stock_reserved__gte=0,
                    stock_reserved__lte=F("stock_on_hand"),
                    stock_on_hand__lte=MAX_STOCK,
                ),
            ),
            models.CheckConstraint(name="product_sku_shape", condition=Q(sku__regex=SKU_PATTERN)),
            models.CheckConstraint(
                name="product_category_shape", condition=Q(category__regex=CATEGORY_PATTERN)
            ),
            models.CheckConstraint(
                name="product_currency_shape", condition=Q(currency__regex=CURRENCY_PATTERN)
            ),
            models.CheckConstraint(name="product_name_not_empty", condition=~Q(name="")),
        ]
        indexes = [
            GinIndex(name="product_search", fields=["search"]),
            GinIndex(name="product_spelling", fields=["spelling"], opclasses=["gin_trgm_ops"]),
            models.Index(name="product_category_price", fields=["category", "price"]),
            models.Index(name="product_currency_price", fields=["currency", "price"]),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.sku})"

    def clean(self) -> None:
        """Raises ValidationError for a price that does not fit its currency."""
        # clean_fields() reports a currency or price that is wrong by itself.
        if self.currency not in money.PLACES or self.price is None:
            return
        try:
            price = money.check(self.price, self.currency)
        except money.UnfitAmount as unfit:
            raise ValidationError({"price": str(unfit)}) from None
        most = money.from_minor_units(MAX_PRICE_MINOR_UNITS, self.currency)
        if not 0 < price <= most:
            raise ValidationError({"price": f"A price in {self.currency} is above 0 and at most {most}."})

    def check_values(self) -> None:
        """Check each field, then the price in its currency. Raises ValidationError."""
        self.clean_fields()
        self.clean()

    @property
    def stock_available(self) -> int:
        """The pieces that new orders can get."""
        return self.stock_on_hand - self.stock_reserved


class StockReservation(models.Model):
    """The reservation of one order; one row per order, never deleted.

    Commands about one order lock this row, so they run one after the other. A release that
    arrives before the reservation makes a released row, which rejects the reservation. A
    committed reservation is a sale; it becomes returned when the goods come back.
    """

    class State(models.TextChoices):
        HELD = "held", "held"
        REJECTED = "rejected", "rejected"
        RELEASED = "released", "released"
        COMMITTED = "committed", "committed"
        RETURNED = "returned", "returned"

    order_id = models.UUIDField(primary_key=True)
    state = models.CharField(max_length=9, choices=State)
    # [{"productId", "requested", "available"}] of a rejected order, for the same answer to a repeat.
    shortages = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    objects = StockReservationManager()

    class Meta:
        ordering = ["-created_at", "-order_id"]
        constraints = [
            models.CheckConstraint(
                name="reservation_state_known",
                condition=Q(state__in=["held", "rejected", "released", "committed", "returned"]),
            ),
        ]
        indexes = [models.Index(name="reservation_by_state", fields=["state", "created_at"])]

    def __str__(self) -> str:
        return f"order {self.order_id}: {self.state}"


class ReservedItem(models.Model):
    """The quantity of one product in a reservation."""

    # The unique constraint below starts with the reservation, so it serves as the index too.
    reservation = models.ForeignKey(StockReservation, models.CASCADE, related_name="items", db_index=False)
    product = models.ForeignKey(Product, models.PROTECT, related_name="reserved_items")
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["product_id"]
        constraints = [
            models.UniqueConstraint(name="one_item_per_order_and_product", fields=["reservation", "product"]),
            models.CheckConstraint(name="reserved_quantity_positive", condition=Q(quantity__gt=0)),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"


class StockMovement(models.Model):
    """A change of the stock on hand by staff, with its reason; rows never change.

    The stock on hand is the sum of the movements minus the pieces of committed orders.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.ForeignKey(Product, models.PROTECT, related_name="movements")
    amount = models.IntegerField()
    reason = models.CharField(max_length=200)
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(name="movement_not_zero", condition=~Q(amount=0))]

    def __str__(self) -> str:
        return f"{self.amount:+d} {self.reason}"
