"""Puts the fields and values of a routing table into words."""

from collections.abc import Mapping, Sequence
from typing import Any

ARROW = "\u2192"
NOTHING = "none"
LONGEST = 120
# Words that say more than the name of the field.
LABELS = {
    "access": "who",
    "bad_token": "a bad token gets",
    "buffer_bytes": "read whole up to",
    "builtin": "built-in handler",
    "header_matches": "header fields",
    "hedge": "second request",
    "key": "counts by",
    "limit": "requests",
    "limit_key": "limit counts by",
    "max_age_s": "preflight kept for",
    "max_body_bytes": "largest body",
    "max_in_flight": "requests in flight",
    "rate_limit": "limit",
    "rate_window_s": "limit's window",
    "service_path": "path at the service",
    "timeout_s": "time-out",
}
KIB = 1024
SIZES = (("GiB", KIB**3), ("MiB", KIB**2), ("KiB", KIB))
# Values of these fields are never shown.
CONCEALED = ("secret", "hash", "digest", "password")


def label(field: str) -> str:
    known = LABELS.get(field)
    if known:
        return known
    for unit in ("_ms", "_s", "_bytes"):
        field = field.removesuffix(unit)
    return field.replace("_", " ")


def is_concealed(field: str) -> bool:
    return any(word in field for word in CONCEALED)


def value(field: str, given: Any) -> str:
    """The value with its unit: ``5 s``, ``1 MiB``, ``none``."""
    if is_concealed(field):
        return "concealed"
    if given is None or given == "" or (not isinstance(given, bool | int | float) and not given):
        return NOTHING
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, int | float):
        return _number(field, given)
    if isinstance(given, Mapping):
        return _short(", ".join(f"{label(str(key))} {value(str(key), one)}" for key, one in given.items()))
    if isinstance(given, Sequence) and not isinstance(given, str):
        return _short(", ".join(value("", one) for one in given))
    return _short(str(given))


def change(field: str, old: Any, new: Any) -> str:
    """The change of one field: ``time-out 10 s → 5 s``, ``methods: with DELETE, without PUT``."""
    if is_concealed(field):
        return f"{label(field)} changed"
    if _is_list(old) and _is_list(new):
        moved = _moved(old, new)
        if moved:
            return f"{label(field)}: {moved}"
    before, after = value(field, old), value(field, new)
    if before == after:
        return f"{label(field)} changed"
    return f"{label(field)} {before} {ARROW} {after}"


def _number(field: str, given: float) -> str:
    if field.endswith("_bytes"):
        return _size(int(given))
    for unit in ("ms", "s"):
        if field.endswith(f"_{unit}"):
            return f"{given:g} {unit}"
    if field == "rate_limit" and not given:
        return NOTHING
    return f"{given:,}" if isinstance(given, int) else f"{given:g}"


def _size(size_bytes: int) -> str:
    for unit, factor in SIZES:
        if size_bytes >= factor and size_bytes % factor == 0:
            return f"{size_bytes // factor} {unit}"
    return f"{size_bytes:,} bytes"


def _is_list(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)


def _moved(old: Sequence[Any], new: Sequence[Any]) -> str:
    """What a list gained and lost; empty when only its order changed."""
    came = [one for one in new if one not in old]
    went = [one for one in old if one not in new]
    parts = []
    if came:
        parts.append(f"with {value('', came)}")
    if went:
        parts.append(f"without {value('', went)}")
    return ", ".join(parts)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}\u2026"
