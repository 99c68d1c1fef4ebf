"""Faults of the servers: broker, PostgreSQL, cache."""

import signal
import subprocess
import time
from contextlib import suppress

from tests.chaos.faults.victims import POLL_S, Faults
from tests.chaos.schedule import Fault


class EngineFaults(Faults):
    def _engine(self, name: str, signum: signal.Signals) -> str | None:
        process = self._system.process(name)
        if process is None:
            return None
        process.send_signal(signum)
        return ""

    def _broker_kill(self, fault: Fault) -> str | None:
        return self._engine(self._broker, signal.SIGKILL)

    def _broker_restart(self, fault: Fault) -> str | None:
        return self._engine(self._broker, signal.SIGTERM)

    @property
    def _broker(self) -> str:
        return "rabbitmq" if self._system.node else "valkey"

    def _postgres_immediate(self, fault: Fault) -> str | None:
        return self._engine("postgres", signal.SIGQUIT)

    def _postgres_fast(self, fault: Fault) -> str | None:
        return self._engine("postgres", signal.SIGINT)

    def _postgres_kill(self, fault: Fault) -> str | None:
        return self._engine("postgres", signal.SIGKILL)

    def _cache_kill(self, fault: Fault) -> str | None:
        return self._engine("valkey", signal.SIGKILL)

    def _broker_memory_alarm(self, fault: Fault) -> str:
        assert self._system.node
        self._system.node.control("set_vm_memory_high_watermark", "0.000001")
        self._stopping.wait(fault.lasts_s)
        while True:
            with suppress(subprocess.CalledProcessError):
                self._system.node.control("set_vm_memory_high_watermark", "0.4")
                return f"for {fault.lasts_s:.1f} s"
            # A restart of the node has already ended the alarm; a node that is down is asked again.
            time.sleep(POLL_S)
