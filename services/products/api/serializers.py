"""The JSON of products: requests and answers."""

from typing import Any

from django.db import models
from rest_framework import serializers

from atoll.api.fields import ExactBoolean, ExactDecimal, ExactInteger, Line, Lines
from atoll.api.serializers import StrictModelSerializer, StrictSerializer
from services.products.models import MAX_STOCK, Product
from services.products.usecases.changes import EDITABLE
from services.products.usecases.receive_stock import REASON_MAX_CHARS


class ProductSerializer(serializers.ModelSerializer[Product]):
    """The schema of answers; ``search.rows`` makes the answers themselves."""

    stock = serializers.IntegerField(
        source="stock_available", help_text="The pieces that new orders can get."
    )
    description = serializers.CharField(
        allow_null=True,
        help_text=(
            "In a list null above 50,000 characters of descriptions on a page; `GET /products/{id}` has it."
        ),
    )

    class Meta:
        model = Product
        fields = (
            "id", "sku", "name", "description", "category", "price", "currency", "stock",
            "stock_on_hand", "stock_reserved", "is_active", "created_at", "updated_at",
        )  # fmt: skip


class ProductChangesSerializer(StrictModelSerializer):
    """The fields to change. ``/products/{id}/stock`` changes the stock, with a history."""

    serializer_field_mapping = {
        models.CharField: Line,
        models.TextField: Lines,
        models.DecimalField: ExactDecimal,
        models.BooleanField: ExactBoolean,
        models.PositiveIntegerField: ExactInteger,
    }

    class Meta:
        model = Product
        fields: tuple[str, ...] = EDITABLE
        # A used SKU is a conflict (409), and only the use case can detect it without a race.
        extra_kwargs: dict[str, dict[str, Any]] = {"sku": {"validators": Product.sku.field.validators}}


class NewProductSerializer(ProductChangesSerializer):
    class Meta(ProductChangesSerializer.Meta):
        fields = (*EDITABLE, "stock_on_hand")


class StockMovementSerializer(StrictSerializer):
    amount = ExactInteger(
        min_value=-MAX_STOCK,
        max_value=MAX_STOCK,
        help_text="Pieces that came in; negative for pieces that went out.",
    )
    reason = Line(max_length=REASON_MAX_CHARS)
