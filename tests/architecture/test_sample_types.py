"""The sample project of a user is typed without `Any`, and mypy finds the mistakes in it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).resolve().parents[2] / "platform" / "tests" / "sampleproject"
MISTAKES = Path("shop/mistakes.py")
EXPECTED = re.compile(r"# expect: ([\w-]+)$")
REPORTED = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[\w-]+)\]$")


@pytest.fixture(scope="module")
def reported() -> set[tuple[str, int, str]]:
    """File, line and code of each error."""
    # As for a user: mypy finds the library by its own settings.
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--hide-error-context"],
        cwd=SAMPLE,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    found = [REPORTED.match(line) for line in errors]
    assert all(found), done.stdout
    return {(one["file"], int(one["line"]), one["code"]) for one in found if one}


def test_mypy_strict_finds_no_error_and_no_any_in_the_sample(reported: set[tuple[str, int, str]]):
    assert {error for error in reported if error[0] != str(MISTAKES)} == set()


def test_mypy_finds_each_mistake_and_nothing_else(reported: set[tuple[str, int, str]]):
    lines = (SAMPLE / MISTAKES).read_text().splitlines()
    expected = {
        (str(MISTAKES), number, found[1])
        for number, line in enumerate(lines, 1)
        if (found := EXPECTED.search(line))
    }

    assert len(expected) == 24
    assert {error for error in reported if error[0] == str(MISTAKES)} == expected
