"""Handing deliveries over from the consumer to free places of its own worker's pool, without a hint.

The consumer stores such a delivery as claimed: its first attempt is counted in the commit that stores it. A
hint would travel to the broker and back, and its claim would be a commit of its own. While the pool has no
free place, deliveries get hints, which any worker of the service may take.
"""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from celery.worker import state as untyped

from atoll.bus.delivery import attempt_slots, executor, unattended
from atoll.bus.delivery.executor import Hint
from atoll.bus.delivery.store import Claim
from atoll.bus.worker.hints import with_a_new_session

log = structlog.get_logger("atoll.bus")

celery_state: Any = untyped  # its stubs leave most of it out

# A claim that has waited for so long is given back: its lease might end before the handler does.
LATE_S = 10.0

Submit = Callable[[Callable[[], None]], object]


class Handover:
    """``free`` and ``run`` belong to the consumer's thread."""

    def __init__(self, submit: Submit, places: int, hint: Hint) -> None:
        """``submit`` has a thread of the pool call a function. ``hint`` is as for ``executor.run``."""
        self._submit = submit
        self._places = places
        self._hint = hint
        self._lock = threading.Lock()
        self._held: dict[UUID, int] = {}

    def free(self) -> int:
        """How many places of the pool neither a hint nor a claim of the consumer has."""
        return max(0, self._places - len(celery_state.reserved_requests) - len(self._held))

    def held(self) -> dict[UUID, int]:
        """The numbers of the attempts that are handed over and have not ended, by delivery."""
        with self._lock:
            return dict(self._held)

    def run(self, claim: Claim) -> None:
        """Have the pool run a claimed delivery. Returns at once."""
        began = time.monotonic()
        with self._lock:
            self._held[claim.id] = claim.attempt

        def run() -> None:
            try:
                is_late = time.monotonic() - began > LATE_S
                if is_late or attempt_slots.is_leaving():
                    _give_back(claim)
                else:
                    with_a_new_session(lambda: executor.run(claim, hint=self._hint), claim.id)
            finally:
                with self._lock:
                    del self._held[claim.id]

        try:
            self._submit(run)
        except RuntimeError:
            # The pool has ended meanwhile.
            run()


def _give_back(claim: Claim) -> None:
    with_a_new_session(lambda: unattended.set_aside(claim.id, claim.attempt, 0.0), claim.id)
    log.info("delivery given back, no place in the pool", delivery=str(claim.id))
