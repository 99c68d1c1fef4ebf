"""The table of Python versions, ``.ci/pythons``."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / ".ci" / "pythons"
NONE = "-"


@dataclass(frozen=True)
class Python:
    """One row: a version (``3.13``), the Debian release with this version, and how CI runs it."""

    version: str
    debian: str
    codename: str
    in_ci: str

    @property
    def parts(self) -> tuple[int, int]:
        major, minor = self.version.split(".")
        return int(major), int(minor)


def pythons() -> list[Python]:
    """Return every row, oldest first."""
    rows = (line.split() for line in TABLE.read_text().splitlines() if not line.startswith("#"))
    return [Python(*row) for row in rows if row]


def debians() -> dict[str, Python]:
    """Return the rows with a Debian release that can be built, by its number."""
    return {row.debian: row for row in pythons() if row.debian != NONE}
