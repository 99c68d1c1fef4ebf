# ruff: noqa: S608  the SQL here is put together from constants of the tests
"""Findings of the checker, and changes of rows that make it find something."""

from collections.abc import Iterator

from tests.chaos.check.__main__ import INVARIANTS


def found(check, evidence) -> list[str]:
    result: Iterator[str] = check(evidence)
    return list(result)


def violated(evidence) -> set[str]:
    return {name for name, check in INVARIANTS.items() if found(check, evidence)}


def copy(table: str, changes: str, where: str) -> str:
    """Return SQL that copies rows with other values in some columns."""
    record = f"jsonb_populate_record(row, '{changes}'::jsonb)"
    return f"INSERT INTO {table} SELECT ({record}).* FROM {table} AS row WHERE row.{where}"


def one_of_ours(evidence) -> str:
    return f"id = '{sorted(evidence.accepted)[0]}'"
