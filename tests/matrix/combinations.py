"""The combinations of Python, Django and driver of PostgreSQL that the library is said to run on."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Prints the versions that a combination really has.
VERSIONS = """
import platform, django
from django.db.backends.postgresql.psycopg_any import is_psycopg3
print(f"Python {platform.python_version()}, Django {django.get_version()}, "
      f"psycopg {3 if is_psycopg3 else 2}")
"""


@dataclass(frozen=True)
class Combination:
    """``changes`` are files in requirements/matrix, whose lines take the place of lines of base.txt."""

    python: str
    django: str
    driver: str = "psycopg2"

    @property
    def name(self) -> str:
        return f"python-{self.python}-django-{self.django}-{self.driver}"

    @property
    def changes(self) -> list[Path]:
        folder = ROOT / "requirements" / "matrix"
        wanted = [folder / f"django-{self.django}.txt", folder / f"{self.driver}.txt"]
        return [path for path in wanted if path.exists()]

    def versions(self, python: Path) -> str:
        found = subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True)
        return found.stdout.strip()


# Django 6.0 and newer need Python 3.12.
COMBINATIONS = [
    Combination("3.11", "5.2"),
    Combination("3.11", "5.2", "psycopg-3"),
    Combination("3.12", "5.2"),
    Combination("3.12", "6.0"),
    Combination("3.12", "6.1"),
    Combination("3.13", "5.2"),
    Combination("3.13", "6.0"),
    Combination("3.13", "6.1"),
    Combination("3.13", "6.1", "psycopg-3"),
    Combination("3.14", "5.2"),
    Combination("3.14", "6.1"),
]
