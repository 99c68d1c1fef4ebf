"""``?fields=id,total``: a list with only the named fields."""

from collections.abc import Collection, Mapping
from typing import Any

from django.http import QueryDict
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError

from atoll import wire
from atoll.api.queries import REPEATED

__all__ = ["FIELDS", "fields_parameter", "only", "read_fields"]

FIELDS = "fields"


def read_fields(query: QueryDict, known: Collection[str]) -> frozenset[str]:
    """The Python names of the fields in ``?fields=``; all known fields without it.

    In the query the names are camelCase with commas between. Raises ValidationError (400) for an unknown
    name, and for ``fields`` given twice.
    """
    if FIELDS not in query:
        return frozenset(known)
    if len(query.getlist(FIELDS)) > 1:
        raise ValidationError({FIELDS: [REPEATED]})
    by_wire_name = {wire.camel(name): name for name in known}
    asked = [name.strip() for name in str(query[FIELDS]).split(",", len(by_wire_name))]
    if any(name not in by_wire_name for name in asked):
        raise ValidationError(
            {FIELDS: [f"Name some of these, with commas between: {', '.join(sorted(by_wire_name))}."]}
        )
    return frozenset(by_wire_name[name] for name in asked)


def only(fields: frozenset[str], row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with only these fields, in the order of the row."""
    return {name: value for name, value in row.items() if name in fields}


def fields_parameter() -> OpenApiParameter:
    """The parameter ``fields`` for the OpenAPI document."""
    return OpenApiParameter(
        FIELDS, str, description="Only these fields, with commas between. All without it."
    )
