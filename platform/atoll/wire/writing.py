"""Writes JSON: compact UTF-8, exact decimals, RFC 3339 times in UTC."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from django.utils.functional import Promise

from atoll.wire.names import wire_name

_DECIMAL = secrets.token_hex(16)
_MARKED_DECIMAL = re.compile(f'"{_DECIMAL}([^"]+)"')


def timestamp(moment: datetime | None = None) -> str:
    """``2026-11-23T10:00:00.000Z``: UTC with milliseconds; now when no moment is given.

    Raises ValueError for a moment without a time zone.
    """
    if moment is None:
        moment = datetime.now(UTC)
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def plain(value: Any) -> Any:
    """The JSON value of a Python value that ``json`` does not know. Raises TypeError for others.

    Decimals stay, and are written digit by digit.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return to_payload(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Promise):  # Django's lazy text
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


class JSONEncoder(json.JSONEncoder):
    """For ``JSONField(encoder=...)`` and anything else that takes an encoder class.

    Decimals become numbers with their own digits (``19.90``), never floats.
    Raises ValueError for NaN and the infinities, TypeError for unknown types.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"allow_nan": False})

    def default(self, o: Any) -> Any:
        if isinstance(o, Decimal):
            if not o.is_finite():
                raise ValueError(f"{o} cannot be written as JSON")
            # The standard encoder can only emit its own types: the digits travel as
            # text behind a mark no outsider can guess, and encode() bares them.
            return f"{_DECIMAL}{o}"
        return plain(o)

    def encode(self, o: Any) -> str:
        text = super().encode(o)
        return _MARKED_DECIMAL.sub(r"\1", text) if _DECIMAL in text else text


# One encoder for all: json.dumps makes one for every call.
_encode = JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def dumps(value: Any) -> bytes:
    """Compact UTF-8 JSON. Raises ValueError or TypeError for values that JSON lacks."""
    return _encode(value).encode()


def to_payload(instance: Any) -> dict[str, Any]:
    """A dataclass as a camelCase dict for ``dumps``, without its ClassVars.

    Decimals stay Decimal; ids, times and enums become text. Keys of dict fields are data and stay.
    """
    return {wire_name(field): _payload_value(getattr(instance, field.name)) for field in fields(instance)}


def _payload_value(value: Any) -> Any:
    if value is None or isinstance(value, (Decimal, bool)) or type(value) in (str, int, float):
        return value
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else str(plain(key)): _payload_value(v) for key, v in value.items()
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_payload_value(item) for item in value]
    return plain(value)
