"""Removes a benchmark's queues and exchanges from the broker."""

import subprocess
import sys

from kombu import Connection, Exchange, Queue

ANSWER_TIMEOUT_S = 30


def delete(url: str, prefix: str) -> None:
    """Delete all whose names begin with ``prefix``. Says so when RabbitMQ cannot be asked for the names."""
    try:
        names = {kind: _names(kind) for kind in ("queues", "exchanges")}
    except (OSError, subprocess.SubprocessError) as error:
        print(f"The queues {prefix}* stay at the broker: {error}", file=sys.stderr)
        return
    with Connection(url) as connection:
        channel = connection.default_channel
        for name in names["queues"]:
            if name.startswith(prefix):
                Queue(name)(channel).delete()
        for name in names["exchanges"]:
            if name.startswith(prefix):
                Exchange(name)(channel).delete()


def _names(kind: str) -> list[str]:
    command = ["rabbitmqctl", "-q", f"list_{kind}", "name", "--no-table-headers"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_TIMEOUT_S, check=True)
    return done.stdout.splitlines()
