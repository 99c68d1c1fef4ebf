"""W3C Trace Context: reading and writing the header ``traceparent`` (www.w3.org/TR/trace-context, §3.2)."""

import hashlib
import random
import re
from typing import NamedTuple

TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
NO_TRACE, NO_SPAN = "0" * 32, "0" * 16
MAX_CHARACTERS = 512
SAMPLED = 0x01
SPAN_MASK = (1 << 64) - 1


class TraceContext(NamedTuple):
    """A place in a trace: 32 and 16 hexadecimal digits. ``sampled``: each process keeps the trace's spans."""

    trace_id: str
    span_id: str
    sampled: bool

    def header(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def parse(value: str | None) -> TraceContext | None:
    """The context of a header of any known or later version; None for a malformed or an absent one."""
    if not value or len(value) > MAX_CHARACTERS:
        return None
    match = TRACEPARENT.fullmatch(value.strip(" \t"))
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more) or trace_id == NO_TRACE or span_id == NO_SPAN:
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & SAMPLED))


def trace_of(correlation_id: str) -> str:
    """The trace id of work that begins here. It is the correlation id where that is a UUID."""
    digits = correlation_id.replace("-", "").lower()
    if len(digits) == 32 and digits != NO_TRACE and not digits.strip("0123456789abcdef"):
        return digits
    return hashlib.sha256(correlation_id.encode()).hexdigest()[:32]


def span_of(identifier: object) -> str:
    """The span id of a thing with a UUID, such as a message or a request: its last 16 digits.

    Those of a UUIDv7 are random. Other identifiers give 16 digits of their hash.
    """
    digits = str(identifier).replace("-", "").lower()
    if len(digits) != 32 or digits.strip("0123456789abcdef"):
        digits = hashlib.sha256(str(identifier).encode()).hexdigest()[:32]
    return digits[16:] if digits[16:] != NO_SPAN else "1" * 16


def new_span_id() -> str:
    """Python seeds the generator anew in each forked child."""
    return f"{random.getrandbits(64) or 1:016x}"
