"""The watchdog of a worker: it ends handlers that are stuck in their own code.

The time-outs of PostgreSQL do not reach such a handler. In a prefork pool the watchdog kills its child. A
thread cannot be killed, and each stuck one takes a place of the pool, so the whole worker ends, after its
other handlers have ended, and its supervisor starts it again. The attempt stays counted either way: a
handler that is stuck each time makes its delivery a dead letter.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress

import structlog

from atoll.bus.delivery import attempt_slots, in_flight

log = structlog.get_logger("atoll.bus")

LOOK_EVERY_S = 0.5
# The alarm inside the child (timeouts.py) comes first and writes the error into the delivery.
CHILD_OVERDUE_S = 2.0
# A thread may just wait, for instance for a network, and come back: a worker is ended late.
THREAD_OVERDUE_S = 30.0


class Watchdog(threading.Thread):
    """``children`` returns the process ids of the pool. ``leave`` ends the worker and is called once."""

    def __init__(self, children: Callable[[], Collection[int]], leave: Callable[[], None]) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._children = children
        self._leave = leave
        self._stopping = threading.Event()
        self._killed: set[attempt_slots.Entry] = set()

    def run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            self.end_children()
            if stuck := in_flight.overdue(THREAD_OVERDUE_S):
                frames = sys._current_frames()
                for thread, held in stuck.items():
                    log.error(
                        "handler stuck, its worker ends",
                        handler=held.claim.handler_id,
                        delivery=str(held.claim.id),
                        where="".join(traceback.format_stack(frames.get(thread))[-5:]),
                    )
                self._leave()
                return

    def stop(self) -> None:
        self._stopping.set()

    def end_children(self) -> None:
        """Kill each child whose handler is overdue."""
        for entry in attempt_slots.entries(self._children(), overdue_s=CHILD_OVERDUE_S):
            if entry not in self._killed:
                self._killed.add(entry)
                log.error("handler stuck, its process is killed", delivery=str(entry.delivery_id))
                kill(entry.pid)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
