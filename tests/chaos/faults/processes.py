"""Faults of processes: killed, terminated, paused."""

import random
import signal

from tests.chaos.faults.victims import Faults
from tests.chaos.schedule import Fault


class ProcessFaults(Faults):
    def _kill(self, name: str) -> str | None:
        process = self._system.process(name)
        if process is None:
            return None
        process.kill()
        return ""

    def _kill_bus(self, fault: Fault) -> str | None:
        return self._kill(fault.target)

    _kill_worker = _kill_web = _kill_gateway = _kill_registry = _kill_bus

    def _kill_worker_child(self, fault: Fault) -> str | None:
        process = self._system.process(fault.target)
        children = process.children() if process else []
        if not children:
            return None
        random.Random(fault.seed).choice(children).kill()
        return ""

    def _terminate_worker(self, fault: Fault) -> str | None:
        process = self._system.process(fault.target)
        if process is None:
            return None
        process.terminate()
        return ""

    _terminate_web = _terminate_worker

    def _pause_worker(self, fault: Fault) -> str | None:
        if not self._system.signal_family(fault.target, signal.SIGSTOP):
            return None
        self._stopping.wait(fault.lasts_s)
        self._system.signal_family(fault.target, signal.SIGCONT)
        return f"for {fault.lasts_s:.1f} s"

    # One of two versions pauses, and the other receives the messages of both.
    _pause_worker_past_its_lease = _two_versions = _pause_worker
