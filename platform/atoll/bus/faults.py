"""Fault injection for tests: ``ATOLL_FAULT="relay.after_publish:kill@3"``.

``kill`` sends SIGKILL to the process, ``raise`` raises InjectedFault, ``hang``
blocks the thread for ever. ``@N`` injects the fault on the N-th pass only; the
default is the first. Commas separate several faults. The variable is read once,
at import. Without it, ``point`` does nothing.
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ImproperlyConfigured

POINTS = frozenset(
    {
        "relay.after_read",
        "relay.after_publish",
        "relay.before_mark",
        "ingest.before_store",
        "ingest.after_store",
        "fast.in_handler",
        "fast.before_commit",
        "deliver.after_claim",
        "deliver.in_handler",
        "deliver.after_commit",
    }
)


class InjectedFault(Exception):
    """The exception of the action ``raise``."""


class Fault:
    """One action at one point, run on one pass."""

    def __init__(self, name: str, action: str, on_pass: int) -> None:
        self._name = name
        self._action = ACTIONS[action]
        self._on_pass = on_pass
        self._passes = 0
        self._lock = threading.Lock()

    def passed(self) -> None:
        with self._lock:
            self._passes += 1
            is_hit = self._passes == self._on_pass
        if is_hit:
            self._action(self._name)


def parse(text: str) -> dict[str, Fault]:
    """Return the faults by point. Raises ImproperlyConfigured with the part that is wrong."""
    faults = {}
    for part in filter(None, text.split(",")):
        name, _, rest = part.strip().partition(":")
        action, _, on_pass = rest.partition("@")
        if name not in POINTS or action not in ACTIONS or not (on_pass or "1").isdigit():
            raise ImproperlyConfigured(
                f"ATOLL_FAULT={text!r}: {part!r} is not POINT:ACTION or POINT:ACTION@N with one of "
                f"{', '.join(sorted(POINTS))} and one of {', '.join(ACTIONS)}."
            )
        faults[name] = Fault(name, action, int(on_pass or 1))
    return faults


def _kill(_name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise(name: str) -> None:
    raise InjectedFault(f"ATOLL_FAULT asked for a failure at {name}.")


def _hang(_name: str) -> None:
    threading.Event().wait()


def _do_nothing(_name: str) -> None:
    pass


def _injecting(faults: dict[str, Fault]) -> Callable[[str], None]:
    def pass_point(name: str) -> None:
        if fault := faults.get(name):
            fault.passed()

    return pass_point


ACTIONS: dict[str, Callable[[str], Any]] = {"kill": _kill, "raise": _raise, "hang": _hang}
_faults = parse(os.environ.get("ATOLL_FAULT") or "")
point = _injecting(_faults) if _faults else _do_nothing
