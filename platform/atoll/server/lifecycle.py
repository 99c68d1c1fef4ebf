"""The lifecycle of an instance: ``starting``, ``ready``, ``unready`` or ``draining``.

A server is several processes: a parent that registers, and forked children that answer. They share the
state in the file that ``ATOLL_LIFECYCLE_FILE`` names. Its first line is the state, the other lines are
the reason. Without a file, as in tests and with ``runserver``, the state is ``ready``.
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
    """Write the state for every process of this instance. No process reads half of a write."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    fresh = Path(f"{path}.{os.getpid()}")
    fresh.parent.mkdir(parents=True, exist_ok=True)  # the folder may have been deleted
    fresh.write_text(f"{value}\n{reason}" if reason else value)
    fresh.replace(path)


def create() -> Path:
    """Share the state with the processes that this one starts. Returns the file, to be removed at the end.

    Raises OSError when the temporary directory cannot be written.
    """
    descriptor, name = tempfile.mkstemp(prefix="atoll-lifecycle-")
    os.close(descriptor)
    os.environ[VARIABLE] = name
    set_state("starting")
    return Path(name)
