"""A JSON text with line breaks and indents, for people."""

import json
import re
from typing import Any

# No JSON text contains this character, and ``json.dumps`` writes it as an escape.
_MARK = "\0"
_MARKED = re.compile(r'"\\u0000([^"\\]*)\\u0000"')


def indented(text: str) -> str | None:
    """The document over several lines, with each number as it is written (1.10 stays 1.10).

    None for a text that is not JSON, and for a document that would not keep its content, such as one with the
    same key twice.
    """
    try:
        if _MARK in text or "\\u0000" in text:
            return None
        document = json.loads(text, parse_float=_as_written, parse_int=_as_written, object_pairs_hook=_object)
        shown = _MARKED.sub(r"\1", json.dumps(document, indent=2, ensure_ascii=False))
        shown.encode()
    except (ValueError, RecursionError):
        return None
    return shown


def _as_written(number: str) -> str:
    return f"{_MARK}{number}{_MARK}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("the same key twice")
    return found
