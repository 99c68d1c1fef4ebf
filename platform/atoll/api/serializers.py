"""Serializers that refuse what they do not know, so that a typing mistake or an attempt to
set a price is told and not silently dropped."""

from collections.abc import Callable, Mapping
from functools import cache
from itertools import islice
from typing import Any

from rest_framework import serializers

UNKNOWN = "Unknown field."
READ_ONLY = "This field cannot be set."
# Who sends more needs no longer list, and a megabyte of names would make an answer of several.
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
    """Input with an unknown or read-only field is invalid (400); the first 20 are named."""


class StrictModelSerializer(_Strict, serializers.ModelSerializer[Any]):
    """A ModelSerializer whose input with an unknown or read-only field is invalid (400)."""


@cache
def _shared(kind: Callable[[], serializers.BaseSerializer[Any]]) -> serializers.BaseSerializer[Any]:
    return kind()


def represent(kind: Callable[[], serializers.BaseSerializer[Any]], instance: Any) -> Any:
    """``kind(instance).data`` for a serializer class that does not look at the request.

    Building a model serializer's fields takes longer than using them, so each is built
    once in a process.
    """
    return _shared(kind).to_representation(instance)
