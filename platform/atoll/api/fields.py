"""Input fields that take exactly the JSON type they are for.

REST framework's own fields guess: ``"2"`` passes for a number and ``1`` for text or
for true. A client that sends the wrong type has a mistake to find, so these say so.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from rest_framework import serializers


class ExactText(serializers.CharField):
    """A JSON string."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ExactInteger(serializers.IntegerField):
    """A JSON number without a fraction."""

    default_error_messages = {"invalid": "This must be a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class ExactDecimal(serializers.DecimalField):
    """A JSON number, kept exact."""

    default_error_messages = {"invalid": "This must be a number."}

    def to_internal_value(self, data: Any) -> Decimal:
        if not isinstance(data, int | Decimal) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class ExactBoolean(serializers.BooleanField):
    """``true`` or ``false``."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class ExactId(serializers.UUIDField):
    """A JSON string that is a UUID."""

    default_error_messages = {"invalid": "This must be an id, a UUID."}

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)
