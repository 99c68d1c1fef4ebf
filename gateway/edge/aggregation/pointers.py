"""JSON pointers (RFC 6901), and the projection of an answer by them."""

import re
from collections.abc import Collection
from typing import Any

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
POINTER = re.compile(r"(/([^~/\x00-\x1f]|~[01])*)*")
INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
MAX_CHARS = 400
MAY_BE_ABSENT = "?"


class Absent(LookupError):
    """The answer has nothing at the pointer."""


def resolve(document: Any, pointer: str) -> Any:
    """The value at the pointer. Raises Absent."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and key in document:
            document = document[key]
        elif isinstance(document, list) and INDEX.fullmatch(key) and int(key) < len(document):
            document = document[int(key)]
        else:
            raise Absent(pointer)
    return document


def project(document: Any, fields: Collection[tuple[str, str]]) -> Any:
    """The named fields of the document; without fields, all of it. Raises Absent for a field that must be."""
    if not fields:
        return document
    shown = {}
    for name, pointer in fields:
        try:
            shown[name.removesuffix(MAY_BE_ABSENT)] = resolve(document, pointer)
        except Absent:
            if not name.endswith(MAY_BE_ABSENT):
                raise
    return shown


def problem(fields: Collection[tuple[str, str]], *, most: int) -> str | None:
    if len(fields) > most:
        return f"it may have {most} fields at most."
    for name, pointer in fields:
        if not FIELD.fullmatch(name.removesuffix(MAY_BE_ABSENT)):
            return f"{name!r} is no name of a field."
        if len(pointer) > MAX_CHARS or not POINTER.fullmatch(pointer):
            return f"{pointer!r} is no JSON pointer, such as /address/city."
    return None
