"""Bindings and exchanges that disappear from the broker."""

import time
from contextlib import suppress

from pika.exceptions import AMQPError

from atoll import conf
from tests.chaos import wire
from tests.chaos.faults.victims import POLL_S, Faults
from tests.chaos.schedule import Fault


class BindingFaults(Faults):
    def _bindings_deleted(self, fault: Fault) -> str:
        assert self._system.node
        began = time.time()
        count = wire.unbind(self._system.node, f"evt.{conf.project(fault.target).service}")
        self._note_unbound(began, mirror=False)
        return f"{count} bindings"

    def _exchange_deleted(self, fault: Fault) -> str:
        assert self._system.node
        began = time.time()
        wire.delete_events(self._system.node.port)
        # A publisher must meet an error now, and not an exchange without its bindings.
        self._stopping.wait(0.2)
        while True:
            with suppress(AMQPError, OSError):
                wire.bind_mirror(self._system.node.port)
                break
            time.sleep(POLL_S)
        self._note_unbound(began, mirror=True)
        return ""

    def _note_unbound(self, began: float, *, mirror: bool) -> None:
        self._journal.write("unbound", **{"from": began - 1.0, "until": time.time() + 1.0}, mirror=mirror)
