"""What becomes of bytes at one proxy: its answers, and what the service got."""

import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

from tests.differential.echo import Echo

LAST = b"GET /open/last HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n"
LAST_TARGET = "/open/last"
STATUS = re.compile(rb"(?:^|\n|\})HTTP/1\.[01] ([2-5][0-9][0-9])[ \r]")
SILENCE_S = 4.0
SETTLING_S = 2.0


@dataclass(frozen=True)
class Outcome:
    """``reached``: method, target and body of each whole request; ``begun``: some came without their end."""

    statuses: tuple[int, ...]
    reached: tuple[tuple[str, str, bytes], ...]
    begun: bool
    serves_on: bool

    def verdict(self) -> str:
        """In words, for a table."""
        refusals = [str(status) for status in self.statuses if status >= 300]
        parts = []
        if self.reached:
            parts.append("forwards" if len(self.reached) == 1 else f"forwards {len(self.reached)}")
        if self.begun:
            parts.append("forwards a part")
        parts += refusals
        if not self.statuses and not parts:
            parts.append("no answer")
        if not self.serves_on and not refusals:
            parts.append("closes")
        return ", ".join(parts)


def outcome(port: int, service: Echo, sent: bytes) -> Outcome:
    """Send the bytes and one more request behind them."""
    before, begun = len(service.seen), len(service.broken_off) + len(service.malformed)
    received = _exchange(port, sent + LAST)
    end = time.monotonic() + SETTLING_S
    while service.unfinished and time.monotonic() < end:
        time.sleep(0.005)
    reached = [(one.method, one.target, one.body) for one in service.seen[before:]]
    serves_on = bool(reached) and reached[-1][1] == LAST_TARGET
    statuses = tuple(int(status) for status in STATUS.findall(received))
    if serves_on:
        reached, statuses = reached[:-1], statuses[:-1]
    broken = len(service.broken_off) + len(service.malformed) > begun
    return Outcome(statuses, tuple(reached), broken, serves_on)


def _exchange(port: int, data: bytes) -> bytes:
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=SILENCE_S) as connection:
        with suppress(OSError):
            connection.sendall(data)
        with suppress(OSError):
            while piece := connection.recv(65_536):
                received += piece
    return received
