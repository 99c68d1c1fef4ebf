"""Serializers that refuse unknown fields.

A client learns of a typing mistake, or of an attempt to set a price, instead of having it ignored.
"""

from collections.abc import Callable, Mapping
from functools import cache
from itertools import islice
from typing import Any

from rest_framework import serializers

__all__ = ["StrictModelSerializer", "StrictSerializer", "validated"]

UNKNOWN = "Unknown field."
READ_ONLY = "This field cannot be set."
# A longer list helps nobody, and a megabyte of names would make an answer of several megabytes.
MAX_NAMED = 20


class _Strict(serializers.Serializer[Any]):
    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unfit = (name for name in data if not self._may_be_sent(name))
            refused = {name: [self._refusal(name)] for name in islice(unfit, MAX_NAMED)}
            if refused:
                raise serializers.ValidationError(refused)
        return super().to_internal_value(data)

    def _may_be_sent(self, name: str) -> bool:
        field = self.fields.get(name)
        return field is not None and not field.read_only and not isinstance(field, serializers.HiddenField)

    def _refusal(self, name: str) -> str:
        return READ_ONLY if name in self.fields else UNKNOWN


class StrictSerializer(_Strict):
    """Input with an unknown or read-only field is invalid (400). The answer names the first 20."""


class StrictModelSerializer(_Strict, serializers.ModelSerializer[Any]):
    """A ModelSerializer whose input with an unknown or read-only field is invalid (400)."""


@cache
def _shared(kind: Callable[[], serializers.BaseSerializer[Any]]) -> serializers.BaseSerializer[Any]:
    return kind()


def validated(kind: Callable[[], serializers.BaseSerializer[Any]], data: Any) -> Any:
    """``kind(data=data).validated_data``, for a serializer class that reads no context.

    To build the fields of a serializer takes longer than to use them. So a process builds each serializer
    once. Raises ValidationError.
    """
    return _shared(kind).run_validation(data)
