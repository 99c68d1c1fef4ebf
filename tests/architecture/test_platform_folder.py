"""The folder ``platform/`` has two traps (docs/map.md); these tests keep them shut."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_folder_platform_is_no_package():
    assert not (ROOT / "platform" / "__init__.py").exists(), (
        "platform/__init__.py shadows the standard library's module of that name: delete it."
    )


def test_no_conftest_stands_directly_in_platform():
    assert not (ROOT / "platform" / "conftest.py").exists(), (
        "pytest would import platform/conftest.py as part of a package called platform: "
        "move it to platform/tests/."
    )


def test_the_standard_library_platform_module_wins_from_the_root_of_the_repository():
    printed = subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.python_version())"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed.strip().count(".") == 2
