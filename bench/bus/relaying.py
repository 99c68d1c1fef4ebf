"""A process with only a relay, until SIGTERM: ``python -m bench.bus.relaying``. SIGUSR1 starts the relay."""

import signal
import threading
from importlib import import_module
from typing import Any

import django

from atoll.server import lifecycle


def main() -> None:
    django.setup()
    relay = relay_class()()
    going, stopping = threading.Event(), threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: going.set())
    signal.signal(signal.SIGTERM, lambda *_: (going.set(), stopping.set()))
    lifecycle.set_state("ready")
    going.wait()
    thread = threading.Thread(target=relay.run)
    thread.start()
    stopping.wait()
    relay.stop()
    thread.join()


def relay_class() -> type[Any]:
    """Also of revisions whose bus had no rooms, such as c8c4065."""
    try:
        return import_module("atoll.bus.outbox.relay").Relay
    except ModuleNotFoundError:
        return import_module("atoll.bus.relay").Relay


if __name__ == "__main__":
    main()
