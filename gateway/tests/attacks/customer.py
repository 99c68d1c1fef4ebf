"""A customer who asks at a steady pace on connections that stay, and how long the answers take."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.tests.battery.client import BadAnswer, Client

PACE_S = 0.01
START_S = 60.0


@dataclass
class Served:
    """``took_s``: of each answer. ``failed``: what was not answered with 200."""

    took_s: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        return sorted(self.took_s)[len(self.took_s) // 2]

    @property
    def p99_s(self) -> float:
        return sorted(self.took_s)[int(len(self.took_s) * 0.99)]


def ask(port: int, target: str, seconds: float, fields: Sequence[str] = ()) -> Served:
    """Ask for ``target`` every hundredth of a second. A connection that ends is opened again."""
    served = Served()
    lines = "".join(f"{line}\r\n" for line in ("Host: gateway.test", *fields))
    request = f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode()
    end = time.monotonic() + seconds
    client = Client(port)
    while time.monotonic() < end:
        began = time.perf_counter()
        try:
            client.send(request)
            status = client.answer().status
            if status != 200:
                served.failed.append(str(status))
        except (OSError, BadAnswer) as error:
            served.failed.append(repr(error))
            client = Client(port)
        served.took_s.append(time.perf_counter() - began)
        time.sleep(PACE_S)
    client.__exit__()
    return served


def ask_all(
    port: int, targets: Sequence[str], seconds: float, fields: Sequence[str] = ()
) -> dict[str, Served]:
    """One customer for each target, at the same time."""
    found: dict[str, Served] = {}

    def run(target: str) -> None:
        found[target] = ask(port, target, seconds, fields)

    threads = [threading.Thread(target=run, args=(target,)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@contextmanager
def attacked(
    kind: str, port: int, count: int, addresses: Sequence[str], doors: Sequence[str]
) -> Iterator[int]:
    """While ``count`` hostile clients of this kind, from these addresses, have the gateway's port.

    Gives the id of their process.
    """
    module = "gateway.tests.attacks.attackers"
    process = subprocess.Popen(
        [sys.executable, "-m", module, kind, str(port), str(count), ",".join(doors), *addresses],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n", f"the attackers of {kind} could not start"
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
