#!/usr/bin/env python3
"""One entry point for the whole platform.

``python manage.py PROJECT COMMAND`` is plain Django for that project;
``python manage.py COMMAND`` is a verb of the platform (``up``, ``demo``, ...).
Only the standard library is used up to the hand-over, so that it can find the
virtual environment that ``make up`` made even when another Python called it.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"


def enter_virtual_environment() -> None:
    """Run again with the repository's own interpreter, if there is one and we are in none."""
    python = VENV / "bin" / "python"
    if sys.prefix == sys.base_prefix and python.exists():
        os.execv(python, [str(python), *sys.argv])  # noqa: S606 - ourselves, in the repository's own environment


def main() -> None:
    enter_virtual_environment()
    for folder in (ROOT / "platform", ROOT):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    os.environ.setdefault("ATOLL_ROOT", str(ROOT))
    try:
        from atoll.cli import run
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not installed here. Run `make up` (or `make install`) first.")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
