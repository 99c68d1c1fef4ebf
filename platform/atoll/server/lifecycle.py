"""Whether this instance takes traffic: ``starting``, ``ready``, ``unready`` or ``draining``.

A server is several processes (a parent that registers, forked children that
answer), so the state is a small file that all of them see, named by
``ATOLL_LIFECYCLE_FILE``: its first line is the state, and what follows is why.
Without one the state is ``ready``: a plain ``runserver`` or a test has nothing to drain.
"""

import os
import tempfile
from pathlib import Path
from typing import Literal, cast

State = Literal["starting", "ready", "unready", "draining"]
STATES = ("starting", "ready", "unready", "draining")
VARIABLE = "ATOLL_LIFECYCLE_FILE"


def state() -> State:
    path = os.environ.get(VARIABLE)
    if not path:
        return "ready"
    try:
        text, _, _ = Path(path).read_text().partition("\n")
    except FileNotFoundError:
        return "ready"
    return cast(State, text) if text in STATES else "ready"


def set_state(value: State, reason: str = "") -> None:
    """Every process of this instance sees the new state at once; none sees half a write."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    fresh = Path(f"{path}.{os.getpid()}")
    fresh.parent.mkdir(parents=True, exist_ok=True)  # somebody may have tidied up
    fresh.write_text(f"{value}\n{reason}" if reason else value)
    fresh.replace(path)


def create() -> Path:
    """Starts sharing the state with processes forked or started from here; the file to remove
    at the end. Raises OSError when the temporary directory cannot be written."""
    descriptor, name = tempfile.mkstemp(prefix="atoll-lifecycle-")
    os.close(descriptor)
    os.environ[VARIABLE] = name
    set_state("starting")
    return Path(name)
