"""The command line of manage.py on this machine, for texts that people copy."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ANSWER_TIMEOUT_S = 10.0


def manage(verb: str) -> str:
    """``python manage.py VERB``, with the first of ``python`` and ``python3`` that is a Python 3.

    Debian and macOS have no ``python``, and elsewhere it may be Python 2. Where PATH has neither, the
    text names the running interpreter.
    """
    names = [name for name in ("python", "python3") if _is_python_3(shutil.which(name))]
    return f"{names[0] if names else _own_interpreter()} manage.py {verb}"


@cache
def _is_python_3(program: str | None) -> bool:
    if program is None:
        return False
    if Path(os.path.realpath(program)).name.startswith("python3"):
        return True
    script = "import sys; sys.exit(sys.version_info < (3,))"
    try:
        done = subprocess.run([program, "-c", script], capture_output=True, timeout=ANSWER_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _own_interpreter() -> str:
    program = Path(sys.executable)
    here = Path.cwd()
    return str(program.relative_to(here) if program.is_relative_to(here) else program)
