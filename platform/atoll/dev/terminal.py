"""Shows foreign texts on a terminal, with control characters escaped.

A log line, an answer or a name may hold any text of a client. Its escape sequences would repaint or
rename the terminal, and its line breaks would forge lines.
"""

import re
import sys

# Control characters (C0, DEL, C1), invisible characters and marks of direction, line and paragraph
# separators, tags, and lone surrogates, which no encoding has.
_HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def escaped(text: object) -> str:
    """One line, with such characters as a Python string would show them: ``\\x1b``, ``\\u202e``."""
    return _HOSTILE.sub(lambda found: _as_python(found[0]), str(text))


def escaped_json(text: str) -> str:
    """A JSON text with such characters as JSON's own escapes: the same document."""
    return _HOSTILE.sub(lambda found: _as_json(found[0]), text)


def lenient_output() -> None:
    """Escape characters that the terminal's encoding lacks, in place of an error."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def _as_python(character: str) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character) or _code(character)


def _code(character: str) -> str:
    number = ord(character)
    return (
        f"\\x{number:02x}"
        if number < 0x100
        else f"\\u{number:04x}"
        if number < 0x10000
        else f"\\U{number:08x}"
    )


def _as_json(character: str) -> str:
    number = ord(character)
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"
