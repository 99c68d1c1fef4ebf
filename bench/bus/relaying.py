"""A process with only a relay, until SIGTERM: ``python -m bench.bus.relaying``."""

import signal
import threading

import django

from atoll.server import lifecycle


def main() -> None:
    django.setup()
    from atoll.bus.outbox.relay import Relay

    relay = Relay()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    thread = threading.Thread(target=relay.run)
    thread.start()
    relay.connected.wait()
    lifecycle.set_state("ready")
    stopping.wait()
    relay.stop()
    thread.join()


if __name__ == "__main__":
    main()
