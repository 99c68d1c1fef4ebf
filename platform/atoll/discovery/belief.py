"""What a caller goes on believing of one service's instances, whatever its registry forgets.

The registry itself keeps the last list of a service that fell silent. What is left to the
caller is a registry that has lost its memory: an empty answer under a name that it does not
know says nothing, and an index that falls means that it learns everything anew.
"""

import time
from collections.abc import Callable, Iterable

from atoll.discovery.instances import Instance
from atoll.discovery.registry import Answer

# Processes register again with their next heartbeat, after 15 seconds.
RELEARN_S = 30.0


class Belief:
    """The instances to call. Only a registry that knows the service can empty the list."""

    def __init__(
        self, instances: Iterable[Instance] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.instances = list(instances)
        self._clock = clock
        self._index = 0
        self._missed: dict[str, Instance] = {}
        self._missed_until = 0.0

    def hear(self, answer: Answer) -> list[Instance]:
        """The instances to call now that the registry has said this."""
        if answer.is_unknown and self.instances:
            return self.instances
        if answer.index < self._index:
            self._missed = {instance.id: instance for instance in self.instances}
            self._missed_until = self._clock() + RELEARN_S
        self._index = answer.index
        told = list(answer.instances)
        for instance in told:
            self._missed.pop(instance.id, None)
        if self._clock() >= self._missed_until:
            self._missed.clear()
        self.instances = told + list(self._missed.values())
        return self.instances
