"""The Pythons of this machine: those on PATH, and those that pyenv has installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def interpreter(version: str) -> Path | None:
    """A Python of that version, such as ``3.12``, or None when there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    on_path = shutil.which(f"python{version}")
    candidates = [Path(sys.executable), *([Path(on_path)] if on_path else [])]
    candidates += sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)
    for candidate in candidates:
        if _version(candidate) == version:
            return candidate
    return None


def _version(python: Path) -> str:
    """Empty where it does not start: pyenv puts commands on PATH for versions that are not chosen."""
    asked = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
