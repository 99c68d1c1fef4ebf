"""The JSON of orders: requests and answers."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.validators import RegexValidator
from rest_framework import serializers

from atoll import money
from atoll.api.fields import ExactDecimal, ExactId, ExactInteger, ExactText, Line, MoneyAmount
from atoll.api.serializers import StrictSerializer
from services.orders.models import (
    MAX_LINES,
    MAX_QUANTITY,
    MAX_REASON_LENGTH,
    REFUNDS,
    Order,
    OrderLine,
    OrderTransition,
)
from services.orders.usecases.quote_order import Expected, RequestedItem

PAYMENT_METHOD = r"^[a-z0-9][a-z0-9-]{0,39}\Z"
DEFAULT_PAYMENT_METHOD = "card"


class RequestedItemSerializer(StrictSerializer):
    product_id = ExactId()
    quantity = ExactInteger(min_value=1, max_value=MAX_QUANTITY)


class PlaceOrderSerializer(StrictSerializer):
    """Products and quantities; the service looks up the prices and the customer itself.

    ``expected_total`` and ``expected_currency`` are the values that the customer saw; the service compares
    them with the quote.
    """

    items: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=RequestedItemSerializer(), allow_empty=False, max_length=MAX_LINES
    )
    payment_method = ExactText(
        validators=[RegexValidator(PAYMENT_METHOD, "This is no name of a payment method.")],
        default=DEFAULT_PAYMENT_METHOD,
    )
    user_id = ExactId(required=False, help_text="The caller's own id, and no other.")
    expected_total = ExactDecimal(
        max_digits=money.DIGITS,
        decimal_places=money.DECIMALS,
        min_value=Decimal(0),
        required=False,
        help_text="The total that the customer was shown. Another one: 409 price_changed, nothing is placed.",
    )
    expected_currency = serializers.ChoiceField(
        choices=sorted(money.PLACES), required=False, help_text="The currency of expectedTotal."
    )

    def validate_user_id(self, value: UUID) -> UUID:
        if value != self.context["user_id"]:
            raise serializers.ValidationError("This must be your own id: an order is placed by its customer.")
        return value

    @property
    def expected(self) -> Expected:
        given = self.validated_data
        return Expected(given.get("expected_total"), given.get("expected_currency"))

    @property
    def requested_items(self) -> list[RequestedItem]:
        return [RequestedItem(**item) for item in self.validated_data["items"]]


class CancelOrderSerializer(StrictSerializer):
    reason = Line(required=False, allow_blank=True, max_length=MAX_REASON_LENGTH, default="")


class OrderLineSerializer(serializers.ModelSerializer[OrderLine]):
    unit_price = MoneyAmount(currency="order.currency")

    class Meta:
        model = OrderLine
        fields = ("product_id", "name", "quantity", "unit_price")


class CustomerSerializer(serializers.Serializer[Order]):
    name = serializers.CharField(source="customer_name")
    email = serializers.EmailField(source="customer_email")


class OrderSerializer(serializers.ModelSerializer[Order]):
    items = OrderLineSerializer(
        source="shown_lines",
        many=True,
        allow_null=True,
        help_text=(
            "In a list null for an order whose lines no longer fit: a page has 200 lines at most. "
            "`GET /orders/{id}` has all of them."
        ),
    )
    item_count = serializers.IntegerField(read_only=True, help_text="How many lines the order has.")
    customer = CustomerSerializer(source="*")
    total = MoneyAmount()
    refund = serializers.ChoiceField(
        choices=sorted(set(REFUNDS.values())),
        allow_null=True,
        read_only=True,
        help_text="Of a cancelled or refunded order; null when there is no money to give back.",
    )

    class Meta:
        model = Order
        fields = (
            "id",
            "user_id",
            "customer",
            "status",
            "items",
            "item_count",
            "total",
            "currency",
            "payment_method",
            "reason",
            "refund",
            "created_at",
            "updated_at",
            "deadline_at",
            "finished_at",
        )


class OrderTransitionSerializer(serializers.ModelSerializer[OrderTransition]):
    """``moved``: the event changed the status. ``ignored``: it was late, repeated or too early.

    Both are false for an event that only changed the state of a compensation.
    """

    moved = serializers.BooleanField()
    ignored = serializers.BooleanField()

    class Meta:
        model = OrderTransition
        fields = ("event", "moved", "ignored", "reason", "actor", "message_id", "correlation_id", "at")

    def get_fields(self) -> dict[str, Any]:
        # "from" is a keyword, so it cannot be declared as an attribute.
        ends = {
            "from": serializers.CharField(source="from_status"),
            "to": serializers.CharField(source="to_status"),
        }
        return ends | super().get_fields()


class OrderDetailSerializer(OrderSerializer):
    history = OrderTransitionSerializer(source="shown_history", many=True)

    class Meta:
        model = Order
        fields = (*OrderSerializer.Meta.fields, "history")


class CurrencyTotalSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    orders = serializers.IntegerField(help_text="All of them.")
    total = MoneyAmount(help_text="Of those whose money is not to go back.")


class SummarySerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField(help_text="How many orders there are.")
    recent = OrderSerializer(many=True)
    total_value = MoneyAmount(
        currency="total_value_currency",
        help_text="The first of the totals: of the currency in which there are the most orders.",
    )
    total_value_currency = serializers.CharField(allow_null=True, help_text="null without orders.")
    totals = CurrencyTotalSerializer(many=True)
