"""Input fields that take exactly one JSON type, and the field that shows amounts of money.

REST framework's own fields convert: they take ``"2"`` for a number, and ``1`` for a text or for true.
These fields refuse the wrong type, so that its sender finds the mistake.
"""

from decimal import Decimal
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import get_attribute

from atoll import money, text

__all__ = [
    "ExactBoolean",
    "ExactDecimal",
    "ExactId",
    "ExactInteger",
    "ExactText",
    "Line",
    "Lines",
    "MoneyAmount",
]


class ExactText(serializers.CharField):
    """A JSON string."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Line(ExactText):
    """A JSON string in one line that a person wrote; ``atoll.text`` has its rule."""

    has_lines = False

    def to_internal_value(self, data: Any) -> str:
        value = super().to_internal_value(data)
        fault = text.fault_of(value, has_lines=self.has_lines)
        if fault:
            raise serializers.ValidationError(fault, code="unfit_text")
        return value


class Lines(Line):
    """Like `Line`, with line breaks."""

    has_lines = True


class ExactInteger(serializers.IntegerField):
    """A JSON number without a fraction."""

    default_error_messages = {"invalid": "This must be a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class ExactDecimal(serializers.DecimalField):
    """A JSON number, without loss of digits."""

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


@extend_schema_field({"type": "number"})
class MoneyAmount(serializers.Field[Any, Any, Any, Any]):
    """An amount in an answer: a JSON number with the places of its currency, null when there is none.

    ``currency`` is the path from the instance to the currency, such as ``order.currency``.
    """

    def __init__(self, *, currency: str = "currency", **options: Any) -> None:
        super().__init__(**options | {"read_only": True})
        self._currency = currency.split(".")

    def get_attribute(self, instance: Any) -> tuple[Decimal, str | None] | None:
        amount = super().get_attribute(instance)
        return None if amount is None else (amount, get_attribute(instance, self._currency))

    def to_representation(self, value: tuple[Decimal, str | None]) -> Decimal:
        amount, currency = value
        return money.exact(amount, currency or "")
