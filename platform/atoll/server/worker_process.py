"""What a forked server worker does before it serves."""

import os
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from atoll import process_title


def load_application(target: str) -> Any:
    """``services.orders.wsgi:application``, imported."""
    module, name = target.split(":")
    return getattr(import_module(module), name)


def enter(target: str, lifeline: tuple[int, int], title: tuple[str, ...]) -> Callable[..., Any]:
    """Runs first in every worker; the application to serve.

    The worker leaves the parent's process group, so that Ctrl-C in a terminal reaches
    the parent alone, which drains first. It holds the reading end of ``lifeline``, a
    pipe the parent never writes to: its end means that the parent is gone, however it
    died, and the worker goes too.
    """
    process_title.show(*title)
    os.setpgid(0, 0)
    reading, writing = lifeline
    os.close(writing)
    threading.Thread(target=_follow, args=(reading,), name="lifeline", daemon=True).start()
    application: Callable[..., Any] = load_application(target)
    return application


def _follow(reading: int) -> None:
    os.read(reading, 1)
    os._exit(1)
