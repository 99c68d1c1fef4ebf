"""The nemesis: carries out the schedule of faults."""

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable

import psutil
import psycopg2
from pika.exceptions import AMQPError

from tests.chaos import wire
from tests.chaos.faults.bindings import BindingFaults
from tests.chaos.faults.engines import EngineFaults
from tests.chaos.faults.messages import MessageFaults
from tests.chaos.faults.network import NetworkFaults
from tests.chaos.faults.processes import ProcessFaults
from tests.chaos.faults.registry_calls import RegistryFaults
from tests.chaos.journal import Journal
from tests.chaos.schedule import Fault
from tests.chaos.system import System

# A fault waits this long for a victim that is down.
TRY_FOR_S = 15


class Nemesis(ProcessFaults, EngineFaults, NetworkFaults, BindingFaults, RegistryFaults, MessageFaults):
    """Runs each fault on a thread of its own and ends every temporary fault itself."""

    def __init__(
        self, system: System, journal: Journal, mirror: wire.Mirror | None, say: Callable[[str], None]
    ) -> None:
        super().__init__(system, journal, mirror, say)
        self._under_way: list[threading.Thread] = []
        self.done: Counter[str] = Counter()

    def run(self, faults: list[Fault]) -> None:
        """Run until the last fault has begun."""
        begun = time.monotonic()
        for fault in faults:
            if self._stopping.wait(max(0.0, begun + fault.at_s - time.monotonic())):
                return
            thread = threading.Thread(target=self._one, args=(fault,), daemon=True)
            thread.start()
            self._under_way.append(thread)

    def stop(self) -> None:
        """End all running faults. Returns when no fault of the nemesis is active."""
        self._stopping.set()
        for thread in self._under_way:
            thread.join(60)
        for proxy in self._system.proxies.values():
            self._system.call(lambda proxy=proxy: proxy.restore(cut=True))  # type: ignore[misc]

    def _one(self, fault: Fault) -> None:
        deadline = time.monotonic() + TRY_FOR_S
        while True:
            try:
                did = getattr(self, f"_{fault.kind}")(fault)
            except (psutil.Error, psycopg2.Error, AMQPError, OSError, subprocess.SubprocessError) as error:
                # The victim is down already.
                did = None
                self._say(f"    {fault.kind} {fault.target}: {type(error).__name__}")
            if did is not None or time.monotonic() > deadline or self._stopping.wait(1):
                break
        if did is not None:
            self.done[fault.kind] += 1
            self._say(f"  {fault.at_s:7.1f} s  {fault.kind} {fault.target} {did}".rstrip())
        self._journal.write("fault", **vars(fault), did=did)
