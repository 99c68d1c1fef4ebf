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
        try:
            os.execv(python, [str(python), *sys.argv])  # noqa: S606 - ourselves, in the repository's own environment
        except OSError as error:
            sys.exit(
                f"{python} cannot be run ({error.strerror}): made on another machine? rm -rf {VENV}; make up"
            )


def main() -> None:
    if os.geteuid() == 0 and ROOT.stat().st_uid != 0:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        sys.dont_write_bytecode = True  # root's files would be in the way of the clone's owner
    enter_virtual_environment()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 gets question marks
    for folder in (ROOT / "platform", ROOT):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    os.environ.setdefault("ATOLL_ROOT", str(ROOT))
    try:
        from atoll.cli import run
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not installed here. Run `make up` (or `make install`) first.")
    except PermissionError as error:
        sys.exit(f"{error.filename} cannot be read by this account: whose is {VENV}?")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
