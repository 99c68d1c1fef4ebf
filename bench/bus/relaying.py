"""A process with only a relay, until SIGTERM: ``python -m bench.bus.relaying``. SIGUSR1 starts the relay."""

import signal
import threading

import django

from atoll.server import lifecycle


def main() -> None:
    django.setup()
    from atoll.bus.outbox.relay import Relay

    relay = Relay()
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


if __name__ == "__main__":
    main()
