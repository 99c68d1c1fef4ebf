"""Telling failures of one kind from others: the same text but for what varies from message to message."""

import hashlib
import re

MAX_GROUP_CHARACTERS = 200

_VARYING = (
    (
        re.compile(r"\b[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\b", re.IGNORECASE),
        "<id>",
    ),
    (re.compile(r"'[^'\n]*'|\"[^\"\n]*\""), "<text>"),
    (re.compile(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{12,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "#"),
    (re.compile(r"\s+"), " "),
)


def group_of(error: BaseException) -> str:
    """One readable line: the class, and the message without ids, quoted texts and numbers.

    What is cut off is told apart by a digest.
    """
    text = f"{type(error).__name__}: {error}"
    for pattern, stands_for in _VARYING:
        text = pattern.sub(stands_for, text)
    text = text.strip().removesuffix(":")
    if len(text) <= MAX_GROUP_CHARACTERS:
        return text
    digest = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]
    return f"{text[: MAX_GROUP_CHARACTERS - 9]} {digest}"
