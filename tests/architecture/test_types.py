"""`make check` proves the types of all code that ships."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def shipped() -> set[str]:
    """The library, the demo, and the folder of each project's package."""
    projects = tomllib.loads((ROOT / "projects.toml").read_text())
    packages = {project["package"].partition(".")[0] for project in projects.values()}
    return {"platform/atoll", "demo", "load"} | packages


def test_mypy_reads_all_code_that_ships_and_leaves_out_only_tests():
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]

    assert set(mypy["files"]) == shipped()
    assert mypy["exclude"] == ["/tests/"]
    assert mypy["strict"] is True
