"""CI runs the Python versions that documents name, and printed commands work on any machine."""

import ast
import os
import re
import tomllib
from pathlib import Path

import pytest

from tests.fresh.pythons import NONE, debians, pythons

ROOT = Path(__file__).resolve().parents[2]
WAYS = {"whole", "fresh", "start"}
VERSION = re.compile(r"(?<![\d.])3\.\d{1,2}(?![\d.])")


def oldest() -> str:
    return pythons()[0].version


def newest() -> str:
    return pythons()[-1].version


def ours(ending: str) -> list[Path]:
    """Our files with such names; the hidden folders hold packages, data and other people's code."""
    found = []
    for folder, inside, files in os.walk(ROOT):
        inside[:] = [name for name in inside if not name.startswith(".") and name != "node_modules"]
        found += [Path(folder, name) for name in files if name.endswith(ending)]
    return sorted(found)


def test_ci_runs_the_oldest_and_the_newest_python_and_each_that_it_names():
    rows = pythons()
    assert [row.parts for row in rows] == sorted(row.parts for row in rows)
    assert {rows[0].in_ci, rows[-1].in_ci} <= WAYS
    assert [row.version for row in rows if row.in_ci == "whole"] == [oldest()]
    for row in rows:
        assert row.in_ci in WAYS | {NONE}
        assert row.in_ci in ("whole", NONE) or row.debian in debians(), f"nothing to run {row.version} in"


def test_ci_goes_through_the_table():
    script = (ROOT / ".ci" / "run").read_text()
    assert ".ci/pythons" in script
    assert VERSION.findall(script) == [], ".ci/run takes versions from the table"


@pytest.mark.parametrize("path", ours("pyproject.toml"), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_package_requires_is_what_ci_runs(path: Path):
    table = tomllib.loads(path.read_text())
    if "project" in table:
        # Without an upper bound: it would keep people from a Python that works and that nobody has tried.
        assert table["project"]["requires-python"] == f">={oldest()}"
    tools = table.get("tool", {})
    if "ruff" in tools:
        assert tools["ruff"]["target-version"] == f"py{oldest().replace('.', '')}"
    if "mypy" in tools:
        assert tools["mypy"]["python_version"] == oldest()


def test_some_package_says_what_it_requires():
    found = [path for path in ours("pyproject.toml") if "project" in tomllib.loads(path.read_text())]
    assert found != []


def test_readme_names_the_pythons_that_ci_runs():
    text = (ROOT / "README.md").read_text()
    run = [row.version for row in pythons() if row.in_ci != NONE]
    assert f"Python {oldest()} to {newest()}" in text
    assert f"CI runs {', '.join(run[:-1])} and {run[-1]}" in text
    claimed = re.findall(r"Python (3\.\d+)( or newer)?", text)
    assert {version for version, _ in claimed} <= {row.version for row in pythons()}
    assert not any(newer for _, newer in claimed), "nobody ran those that are newer"


def test_the_makefile_and_the_image_take_what_the_table_has():
    makefile = (ROOT / "Makefile").read_text()
    assert f"OLDEST := {oldest()}\n" in makefile
    assert f"NEWEST := {newest()}\n" in makefile
    assert set(VERSION.findall(makefile)) == {oldest(), newest()}
    image = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"python:(3\.\d+)", image)) <= {row.version for row in pythons()}


def printed(path: Path) -> list[str]:
    """Every piece of text in a module but its docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]


# A document, read elsewhere than on the machine that wrote it.
READ_ELSEWHERE = {"platform/atoll/bus/schemas/asyncapi.py"}


def test_no_command_that_is_printed_says_python_where_it_may_be_called_python3():
    modules = [path for path in ours(".py") if "tests" not in path.parts and "bench" not in path.parts]
    guessed = [
        str(path.relative_to(ROOT))
        for path in modules
        if any("python manage.py" in text for text in printed(path))
    ]
    assert [name for name in guessed if name not in READ_ELSEWHERE] == [], (
        "say ./manage.py, or use atoll.dev.command.manage"
    )
