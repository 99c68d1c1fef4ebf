"""The instances of one service that a caller still tries when the registry has lost its memory.

The registry itself keeps the last list of a service that fell silent. The caller handles a registry that
starts empty: it ignores an empty answer for a service that the registry does not know, and after a
falling index it keeps its instances until they have had the time to register again.
"""

import time
from collections.abc import Callable, Iterable

from atoll.discovery.answers import Answer
from atoll.discovery.instances import Instance

# Processes register again with their next heartbeat, after 15 seconds.
RELEARN_S = 30.0


class KnownInstances:
    """Only a registry that knows the service can empty the list."""

    def __init__(
        self, instances: Iterable[Instance] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.instances = list(instances)
        self._clock = clock
        self._index = 0
        self._missed: dict[str, Instance] = {}
        self._missed_until = 0.0

    def update(self, answer: Answer) -> list[Instance]:
        """Take in an answer of the registry. Returns the instances to call."""
        if answer.is_unknown and self.instances:
            return self.instances
        if answer.index < self._index:
            self._missed = {instance.id: instance for instance in self.instances}
            self._missed_until = self._clock() + RELEARN_S
        self._index = answer.index
        listed = list(answer.instances)
        for instance in listed:
            self._missed.pop(instance.id, None)
        if self._clock() >= self._missed_until:
            self._missed.clear()
        self.instances = listed + list(self._missed.values())
        return self.instances
