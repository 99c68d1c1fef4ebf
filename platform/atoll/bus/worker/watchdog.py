"""Watching that handlers end, from outside of them.

A handler that is stuck in its own code is past what the database's timeouts
reach. In a prefork pool its child is killed. A thread cannot be killed, and each
stuck one takes a place in the pool with it, so its worker ends, other handlers
first, for whoever supervises it to start it again. The attempt stays counted
either way: what gets stuck each time is a dead letter in the end.
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
# The alarm inside the child comes first, and leaves the error in the delivery.
CHILD_OVERDUE_S = 2.0
# A thread may only be slow to come back, from a network for instance: its worker is not ended lightly.
THREAD_OVERDUE_S = 30.0


class Guard(threading.Thread):
    """``children`` tells the process ids of the pool; ``leave`` ends the worker, and is called once."""

    def __init__(self, children: Callable[[], Collection[int]], leave: Callable[[], None]) -> None:
        super().__init__(name="guard", daemon=True)
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
        """Kill each child that is past its handler's time."""
        for entry in attempt_slots.entries(self._children(), overdue_s=CHILD_OVERDUE_S):
            if entry not in self._killed:
                self._killed.add(entry)
                log.error("handler stuck, its process is killed", delivery=str(entry.delivery_id))
                kill(entry.pid)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
