"""The first steps of a forked server worker."""

import os
import select
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from atoll import process_title
from atoll.server import log_level


def load_application(target: str) -> Any:
    """Import an application by a name such as ``services.orders.wsgi:application``."""
    module, name = target.split(":")
    return getattr(import_module(module), name)


def enter(target: str, lifeline: tuple[int, int], title: tuple[str, ...]) -> Callable[..., Any]:
    """Run first in every worker. Returns the application to serve.

    The worker leaves the parent's process group. So Ctrl-C in a terminal reaches only the parent, which
    drains first. The worker reads from ``lifeline``, a pipe that the parent never writes to: the end of
    the pipe means that the parent has ended in some way, and the worker ends, too. Meanwhile it follows the
    level of log lines.
    """
    process_title.show(*title)
    os.setpgid(0, 0)
    reading, writing = lifeline
    os.close(writing)
    threading.Thread(target=_follow, args=(reading,), name="lifeline", daemon=True).start()
    application: Callable[..., Any] = load_application(target)
    return application


def _follow(reading: int) -> None:
    end = select.poll()
    end.register(reading, select.POLLIN)
    while not end.poll(log_level.FOLLOW_EVERY_S * 1000):
        log_level.follow()
    os._exit(1)
