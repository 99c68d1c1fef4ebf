"""The packages of a combination: the pinned ones of ``requirements``, with its changes."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.matrix.combinations import ROOT, Combination

NAME = re.compile(r"^([A-Za-z0-9._-]+)")


def installed(combination: Combination, python: Path, folder: Path) -> Path:
    """The Python of a virtual environment in ``folder`` that has the packages.

    Raises CalledProcessError, with the output, when they cannot be installed.
    """
    wanted = "\n".join([*requirements(combination), f"# {python}"]) + "\n"
    listed = folder / "requirements.txt"
    done = folder / "installed.txt"
    own = folder / "venv" / "bin" / "python"
    if own.exists() and done.exists() and done.read_text() == wanted:
        return own
    folder.mkdir(parents=True, exist_ok=True)
    listed.write_text(wanted)
    _do([python, "-m", "venv", "--clear", folder / "venv"])
    quietly = [own, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _do([*quietly, "-r", listed])
    # Its entry point brings the fixtures; what it depends on is installed.
    _do([*quietly, "--no-deps", "-e", ROOT / "platform"])
    done.write_text(wanted)
    return own


def requirements(combination: Combination) -> list[str]:
    """The lines for pip: those of all requirements, with the combination's in place of theirs."""
    changes = [line for path in combination.changes for line in _lines(path)]
    replaced = {_name(line) for line in changes}
    folder = ROOT / "requirements"
    pinned = [
        line
        for name in ("base.txt", "otlp.txt", "local.txt", "dev.txt")
        for line in _lines(folder / name)
        if not line.startswith(("-r", "-e")) and _name(line) not in replaced
    ]
    return pinned + changes


def _lines(path: Path) -> Iterable[str]:
    for line in path.read_text().splitlines():
        if (text := line.split(" #")[0].strip()) and not text.startswith("#"):
            yield text


def _name(line: str) -> str:
    """The name of the package, as PyPI compares names."""
    found = NAME.match(line)
    return re.sub(r"[-_.]+", "-", found.group(1)).lower() if found else ""


def _do(command: list[str | Path]) -> None:
    subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
