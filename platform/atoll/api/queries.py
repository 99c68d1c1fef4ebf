"""A strict reader of query strings: an unknown parameter is an error.

A list that ignores ``?rol=admin`` shows too many rows. A list that takes the last of two ``status=``
shows the wrong rows. Both would mislead a program that acts on the list.
"""

from collections.abc import Iterable
from itertools import islice

from django.http import QueryDict
from rest_framework.exceptions import ValidationError

__all__ = ["check_query"]

UNKNOWN = "Unknown filter."
REPEATED = "Give it once."
# A longer list helps nobody.
MAX_NAMED = 20


def check_query(query: QueryDict, known: Iterable[str], repeatable: Iterable[str] = ()) -> None:
    """Raises ValidationError (400), naming the first 20 parameters that are unknown or given twice."""
    expected, many = frozenset(known), frozenset(repeatable)
    refused = (
        (name, [UNKNOWN if name not in expected else REPEATED])
        for name, values in query.lists()
        if name not in expected or (len(values) > 1 and name not in many)
    )
    named = dict(islice(refused, MAX_NAMED))
    if named:
        raise ValidationError(named)
