"""Fields that take JSON's own types and do not guess: "2" is no number, 1 is no id."""

from typing import Any
from uuid import UUID

from rest_framework import serializers


class ExactInteger(serializers.IntegerField):
    default_error_messages = {"invalid": "This must be a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class ExactText(serializers.CharField):
    """Text as it was sent, without a number or a boolean passing for it."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ProductId(serializers.UUIDField):
    default_error_messages = {"invalid": "This must be a product's id, a UUID."}

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)
