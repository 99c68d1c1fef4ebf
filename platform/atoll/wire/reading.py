"""Reads JSON of other programs, with checks.

PostgreSQL can store each value that ``loads`` returns, and ``dumps`` can write it again.
"""

import json
import math
import re
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from atoll.wire.errors import WireError, WireTooLarge

MAX_BYTES = 1_048_576
MAX_DEPTH = 32
# IEEE 754 doubles end at 1.8e308; a number beyond that is infinity to most readers.
MAX_EXPONENT = 308
MAX_NUMBER_CHARS = 64
# The range of a PostgreSQL bigint and of most languages' widest integer.
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1

# A string without an end runs to the end of the text. A search for another start in it would read the
# rest once for every quote.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]+|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class JSONDecoder(json.JSONDecoder):
    """For ``JSONField(decoder=...)``: numbers with a fraction come back as Decimal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options | {"parse_float": Decimal})


def loads(raw: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Any:
    """The value of UTF-8 JSON bytes; numbers with a fraction or exponent become Decimal.

    Raises WireError for anything but strict JSON (RFC 8259), and for JSON that harms later
    readers: nesting beyond ``max_depth``, duplicate
    keys, NUL and lone surrogates in text, NaN and infinities, numbers beyond a
    double's range, integers beyond 64 bits. Raises WireTooLarge, also a WireError,
    for more than ``max_bytes``.
    """
    if len(raw) > max_bytes:
        raise WireTooLarge(f"The body has {len(raw)} bytes; at most {max_bytes} are read.")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise WireError(f"The body is not UTF-8 at byte {error.start}.") from None
    _check_depth(text, max_depth)
    try:
        value = json.loads(
            text,
            parse_float=read_number,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        raise WireError(f"The body is not JSON: {error}.") from None
    # Raw control characters and surrogates are refused earlier; only escapes can bring them here.
    if "\\u" in text:
        _check_text(value)
    return value


def _check_depth(text: str, max_depth: int) -> None:
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth > max_depth:
                raise WireError(f"The body nests deeper than {max_depth} levels.", code="too_deep")
        elif first in "]}":
            depth -= 1


def read_number(digits: str) -> Decimal:
    if len(digits) > MAX_NUMBER_CHARS:
        raise WireError(f"A number has more than {MAX_NUMBER_CHARS} characters.")
    try:
        number = Decimal(digits)
    except InvalidOperation:
        raise WireError(f"The number {digits} is out of range.") from None
    if abs(number.adjusted()) > MAX_EXPONENT or math.isinf(float(number)):
        raise WireError(f"The number {digits} is out of range.")
    return number


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_CHARS or not MIN_INTEGER <= int(digits) <= MAX_INTEGER:
        raise WireError("An integer is out of range: 64 bits is the most that is read.")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise WireError(f"{name} is not JSON.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise WireError(f"The key {key[:MAX_NUMBER_CHARS]!a} appears twice in one object.")
            seen.add(key)
    return made


def _check_text(value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise WireError("A text contains the NUL character.")
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise WireError("A text contains half a surrogate pair.")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _check_text(item)
    elif isinstance(value, list):
        for item in value:
            _check_text(item)
