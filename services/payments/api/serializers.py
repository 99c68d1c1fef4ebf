"""The JSON of payments."""

from rest_framework import serializers

from atoll.api.fields import MoneyAmount
from services.payments.models import Payment


class PaymentSerializer(serializers.ModelSerializer[Payment]):
    """``amount`` and ``userId`` are null for an order that was cancelled before its charge."""

    amount = MoneyAmount(allow_null=True)

    class Meta:
        model = Payment
        fields = (
            "id", "order_id", "user_id", "amount", "currency", "method", "status", "reason",
            "created_at", "updated_at",
        )  # fmt: skip
