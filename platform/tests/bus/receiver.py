"""Real ingest in the test's own process."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest import mock
from uuid import UUID

from atoll.bus.delivery import executor
from atoll.bus.inbox import receiving as storing
from atoll.bus.inbox.ingest import Ingestor

DEADLINE_S = 30.0


class Receiver:
    """This service's ingest on a thread. It runs each new delivery at once."""

    def __init__(self) -> None:
        self.runs: list[UUID] = []
        self._ingestor = Ingestor(self._execute)
        self._thread = threading.Thread(target=self._ingestor.run, name="ingest under test")

    def start(self) -> None:
        self._thread.start()
        assert self._ingestor.consuming.wait(DEADLINE_S)

    @property
    def is_undisturbed(self) -> bool:
        return self._ingestor.status.interruptions() == 0

    def stop(self) -> None:
        self._ingestor.stop()
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()

    def _execute(self, delivery_ids: Sequence[UUID]) -> None:
        for delivery_id in delivery_ids:
            executor.execute(delivery_id)
            self.runs.append(delivery_id)


@contextmanager
def every_delivery_hinted() -> Iterator[None]:
    """Give every delivery a hint at once.

    In a batch of many messages ingest gives no hints for older messages; the sweep delivers them. No
    sweep runs in these tests, and on a busy machine any message can become that old.
    """
    with mock.patch.object(storing, "CROWD", 2**31):
        yield


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    with every_delivery_hinted():
        receiver.start()
        try:
            yield receiver
        finally:
            receiver.stop()
