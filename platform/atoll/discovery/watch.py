"""A watch: a thread that asks the registry for the changes of one service.

The registry answers such a blocking query a fraction of a second after a change. So callers read a
list in memory and do not wait for the registry.
"""

import logging
import random
import threading
from collections.abc import Callable

from atoll.backoff import Backoff, Draw
from atoll.discovery.answers import Answer
from atoll.discovery.registry import RegistryClient
from atoll.errors import AtollError

logger = logging.getLogger(__name__)

WAIT_S = 25.0
MIN_INTERVAL_S = 0.05


class Watch:
    """Calls ``on_answer`` after every answer, changed or not, until `stop`; keeps asking with
    growing pauses while the registry is away."""

    def __init__(
        self,
        registry: RegistryClient,
        service: str,
        on_answer: Callable[[Answer], None],
        *,
        index: int = 0,
        jitter: Draw = random.uniform,
    ) -> None:
        self._registry = registry
        self._service = service
        self._on_answer = on_answer
        self._index = index
        self._jitter = jitter
        self._backoff = Backoff(draw=jitter)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch-{service}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread after its running query. The answer of that query is dropped."""
        self._stopping.set()

    def step(self) -> float:
        """One query; seconds to pause before the next. A pause after success keeps a registry
        that answers too early from being asked in a tight loop."""
        try:
            answer = self._registry.discover(
                self._service, index=self._index, wait_s=self._jitter(WAIT_S * 0.8, WAIT_S)
            )
        except AtollError as error:
            if self._backoff.is_fresh:
                logger.warning("discovery_watch_failed, keeping the last list: %s", error)
            return self._backoff.failed()
        self._backoff.reset()
        self._index = answer.index
        if not self._stopping.is_set():
            self._on_answer(answer)
        return MIN_INTERVAL_S

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self.step())
