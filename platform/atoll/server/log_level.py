"""The level of an instance's own log lines that an operator has set for a time.

A server is several processes, and one of them hears the registry. They share the level in a file beside that
of the lifecycle. It counts for the loggers of Atoll and of the project. Libraries keep LOG_LEVEL, since their
debug lines may hold secrets.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from atoll.server import lifecycle

logger = logging.getLogger(__name__)

LEVELS = ("debug", "info", "warning", "error")
LONGEST_S = 86_400.0
FOLLOW_EVERY_S = 2.0

# The levels of these loggers before the first change, and the changed one.
_before: dict[str, int] = {}
_level = ""
# Its end, where no file is shared.
_until = 0.0


def share(level: str, left_s: float, loggers: Iterable[str]) -> None:
    """Set the level in this process, and for the others of this instance, for so many seconds.

    An empty level ends it. Other processes take it over within `FOLLOW_EVERY_S`.
    """
    global _until
    names = sorted(loggers)
    _until = time.time() + left_s
    path = _path()
    try:
        if path is not None and level:
            fresh = Path(f"{path}.{os.getpid()}")
            fresh.write_text(json.dumps({"level": level, "until": _until, "loggers": names}))
            fresh.replace(path)
        elif path is not None:
            path.unlink(missing_ok=True)
    except OSError as error:
        logger.warning("log_level: other processes of this instance do not learn it: %s", error)
    _apply(level, names)


def follow() -> None:
    """Take over the shared level, or its end. Cheap; each process of an instance calls it again and again."""
    path = _path()
    if path is None:
        if time.time() >= _until:
            _apply("", ())
        return
    try:
        told = json.loads(path.read_bytes())
        is_over, level, names = told["until"] <= time.time(), told["level"], told["loggers"]
    except FileNotFoundError:
        is_over, level, names = True, "", ()
    except (OSError, ValueError, KeyError, TypeError):
        # Another program has written to the file.
        return
    _apply("" if is_over else level, names)


def follow_in_background() -> None:
    """`follow` in a thread of this process until its end."""

    def run() -> None:
        while True:
            time.sleep(FOLLOW_EVERY_S)
            follow()

    threading.Thread(target=run, name="log-level", daemon=True).start()


def _apply(level: str, names: Iterable[str]) -> None:
    global _level
    if level == _level or (level and level not in LEVELS):
        return
    if level:
        for name in names:
            changed = logging.getLogger(name)
            _before.setdefault(name, changed.level)
            changed.setLevel(level.upper())
    else:
        for name, number in _before.items():
            logging.getLogger(name).setLevel(number)
        _before.clear()
    _level = level


def _path() -> Path | None:
    shared = os.environ.get(lifecycle.VARIABLE)
    return Path(f"{shared}.log-level") if shared else None
