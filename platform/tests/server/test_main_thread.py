"""Signals to a process whose main thread waits."""

import signal
import threading

import pytest

from atoll.server.main_thread import Interruptible
from atoll.testing.running import eventually


@pytest.fixture
def event():
    """Set by SIGUSR1."""
    made = Interruptible()
    former = signal.signal(signal.SIGUSR1, lambda *_: made.set())
    yield made
    signal.signal(signal.SIGUSR1, former)


def test_a_wait_without_end_sees_a_signal_that_interrupted_nothing(event):
    """The kernel gives the signal to a thread that does not run handlers."""

    def take_the_signal():
        eventually(lambda: event._cond._waiters, what="a wait")
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    thread = threading.Thread(target=take_the_signal)
    thread.start()
    assert event.wait()
    thread.join()


def test_a_wait_with_an_end_has_that_end(event):
    assert not event.wait(0.01)
    event.set()
    assert event.wait(0.01)
