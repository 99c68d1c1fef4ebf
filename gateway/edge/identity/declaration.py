"""Readers for the rows of a published document, with errors that name the row."""

from typing import Any

MAX_ROWS = 1000


class InvalidIdentity(ValueError):
    """An issuer or a consumer that cannot be used. The text names it and the change that it needs."""


def rows(given: object, what: str) -> list[dict[str, Any]]:
    """The rows of a section; None, from a document before the section, means none. Raises InvalidIdentity."""
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        raise InvalidIdentity(f"The {what} of the table are no list.")
    if len(given) > MAX_ROWS:
        raise InvalidIdentity(f"A table holds at most {MAX_ROWS} {what}.")
    return given


def text(row: dict[str, Any], field: str, default: str = "") -> str:
    """Raises InvalidIdentity for a value that is no text."""
    value = row.get(field, default)
    if not isinstance(value, str):
        raise InvalidIdentity(f"{field} must be a text.")
    return value


def texts(row: dict[str, Any], field: str) -> tuple[str, ...]:
    """Raises InvalidIdentity for a value that is no list of texts."""
    value = row.get(field, [])
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise InvalidIdentity(f"{field} must be a list of texts.")
    return tuple(value)


def table(row: dict[str, Any], field: str) -> dict[str, Any]:
    """Raises InvalidIdentity for a value that is no table with texts as keys."""
    value = row.get(field, {})
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InvalidIdentity(f"{field} must be a table.")
    return value


def switch(row: dict[str, Any], field: str) -> bool:
    """Raises InvalidIdentity for a value that is neither true nor false."""
    value = row.get(field, False)
    if not isinstance(value, bool):
        raise InvalidIdentity(f"{field} must be true or false.")
    return value


def require_distinct(values: list[str], what: str) -> None:
    """Raises InvalidIdentity for a value that comes twice."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise InvalidIdentity(f"Two {what} are called '{value}'.")
        seen.add(value)
