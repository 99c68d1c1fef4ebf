"""The aggregates that ship with the repository."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from gateway.edge.aggregation.declaration import pairs

FILE = Path(__file__).resolve().parents[2] / "aggregates.toml"
# The one that a table from before aggregates were declared has.
FIRST = "dashboard"


@cache
def shipped() -> list[dict[str, Any]]:
    """The rows of the file, in the form of a published table."""
    rows = tomllib.loads(FILE.read_text())
    return [{"name": name, **row, "legs": [_leg(leg) for leg in row["legs"]]} for name, row in rows.items()]


def _leg(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "fields": pairs(row.get("fields", ()))}


def undeclared() -> list[dict[str, Any]]:
    """What a table without aggregates means."""
    return [row for row in shipped() if row["name"] == FIRST]
