"""Asks the gateway for its figures, and keeps the samples of the last minute for rates."""

import threading
import time
from collections import deque

import requests

from atoll import conf
from gateway.live.figures import Sample, read

TIMEOUT_S = 3.0
KEPT_S = 60.0
SHORTEST_S = 2.0
MAX_BYTES = 10_485_760


class Away(Exception):
    """The gateway does not tell its figures. The text says why."""


class Samples:
    """Thread-safe."""

    def __init__(self) -> None:
        self._kept: deque[Sample] = deque()
        self._lock = threading.Lock()

    def take(self) -> tuple[Sample, Sample | None]:
        """A new sample, and the oldest of the last minute, if there is one. Raises Away."""
        fresh = ask()
        with self._lock:
            while self._kept and fresh.at - self._kept[0].at > KEPT_S:
                self._kept.popleft()
            earlier = self._kept[0] if self._kept and fresh.at - self._kept[0].at >= SHORTEST_S else None
            self._kept.append(fresh)
            return fresh, earlier


def ask() -> Sample:
    """The figures of now. Raises Away."""
    try:
        reply = requests.get(f"{conf.gateway_url()}/metrics", timeout=TIMEOUT_S, allow_redirects=False)
        if reply.status_code != 200 or len(reply.content) > MAX_BYTES:
            raise Away(f"The gateway answered {reply.status_code} at /metrics.")
        return read(reply.text, time.monotonic())
    except (requests.RequestException, ValueError, KeyError) as error:
        raise Away(f"The gateway does not tell its figures ({type(error).__name__}).") from error
