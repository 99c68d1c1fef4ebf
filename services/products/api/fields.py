"""Fields that take JSON's own types and do not guess: "2" is no number, 1 is no text and no truth."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers


class ExactText(serializers.CharField):
    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ExactInteger(serializers.IntegerField):
    default_error_messages = {"invalid": "This must be a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class ExactDecimal(serializers.DecimalField):
    default_error_messages = {"invalid": "This must be a number."}

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, int | Decimal) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class ExactBoolean(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data
