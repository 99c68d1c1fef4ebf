"""The two spellings of a name: ``order_id`` in Python, ``orderId`` on the wire."""

import re
from collections.abc import Mapping
from dataclasses import Field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from atoll.wire.errors import WireError

_WORD_START = re.compile(r"(?<=[a-z0-9])([A-Z])|(?<=[A-Z])([A-Z])(?=[a-z])")
_AFTER_UNDERSCORE = re.compile(r"(?<=[A-Za-z0-9])_+([A-Za-z0-9])")


# Clients choose names, too, and a long one must not stay in memory.
_LONGEST_KEPT = 64


def camel(name: str) -> str:
    """``order_id`` → ``orderId``; a leading underscore stays."""
    return _kept_camel(name) if len(name) <= _LONGEST_KEPT else _camel(name)


def _camel(name: str) -> str:
    return _AFTER_UNDERSCORE.sub(lambda match: match[1].upper(), name) if "_" in name else name


_kept_camel = lru_cache(maxsize=4096)(_camel)


def wire_name(field: Field[Any]) -> str:
    """The name on the wire of a dataclass's field: ``orderId`` for ``order_id``.

    ``field(metadata={"wire": "class"})`` gives another one, which need not be a name in Python.
    """
    return str(field.metadata.get("wire") or camel(field.name))


def underscore(name: str) -> str:
    """``orderId`` → ``order_id``."""
    return _WORD_START.sub(lambda match: "_" + match[0].lower(), name).lower()


def camelize(value: Any) -> Any:
    """Every dict key, at any depth, in camelCase. Keys that are no text stay."""
    # First the types that answers are made of: a look whether a type is a Mapping costs more.
    if value is None or isinstance(value, (str, int, Decimal, UUID, datetime)):
        return value
    if isinstance(value, Mapping):
        return {camel(key) if isinstance(key, str) else key: camelize(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [camelize(item) for item in value]
    return value


def underscoreize(value: Any) -> Any:
    """Every dict key, at any depth, in snake_case.

    Raises WireError when two keys of one object give the same name: the check and the reader could
    take different values.
    """
    if isinstance(value, Mapping):
        renamed = {underscore(key): underscoreize(item) for key, item in value.items()}
        if len(renamed) != len(value):
            raise WireError("Two keys of one object mean the same name.", code="duplicate_key")
        return renamed
    if isinstance(value, (list, tuple)):
        return [underscoreize(item) for item in value]
    return value
