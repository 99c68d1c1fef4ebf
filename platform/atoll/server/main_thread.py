"""Waiting in the main thread of a process, which handles its signals."""

import threading

LOOK_EVERY_S = 0.5


class Interruptible(threading.Event):
    """An event whose `wait` without a time-out lets handlers of signals run, late by half a second at most.

    Python runs them in the main thread, between two of its instructions. A signal that comes just before the
    thread blocks, or to another thread, wakes nobody: a wait without an end would not see it until the next.
    """

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(LOOK_EVERY_S):
            continue
        return True
