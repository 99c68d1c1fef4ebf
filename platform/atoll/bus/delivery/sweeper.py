"""The sweeper: it finds deliveries that are due and that no hint has led to.

In every round it sends hints for due deliveries: timers, retries, lost hints, lost leases. Less often it
takes back the claims of ended processes, wakes parked deliveries whose turn has come, and discards the
deliveries of retired handlers. Only the hints need the broker.
"""

import itertools
import threading
from collections.abc import Callable

import structlog
from django.db import Error, connection

from atoll.backoff import Backoff, jittered
from atoll.bus import claim_owner
from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery.executor import Hint
from atoll.bus.delivery.lanes import LaneWaker
from atoll.bus.handlers import known, retiring

log = structlog.get_logger("atoll.bus")

# Between half of it and all of it. Redis gives a hint to the consumer that has waited longest, and each
# consumer begins to wait anew after 1 s: with rounds of an even second, one consumer got every hint, and the
# other one, which alone had the code, none.
LONGEST_PAUSE_S = 1.4
# In rounds.
WAKE_EVERY = 2
TAKE_BACK_EVERY = 5
# More due deliveries than this are a backlog.
HINTS_AT_ONCE = 20


class Sweeper:
    """Makes its rounds on a thread and a database connection of its own. Sweepers share the work."""

    def __init__(
        self,
        hint: Hint,
        send_empty: Callable[[], None],
        *,
        may_hint: Callable[[], bool] = lambda: True,
        runs_handlers: bool = True,
    ) -> None:
        """``hint`` sends hints. ``send_empty`` sends the empty ones for a backlog.

        While ``may_hint`` is False no hint is sent or counted, so all that is due gets one as soon as
        the broker is back. ``runs_handlers`` is False in ``PROJECT bus``.
        """
        self._hint = hint
        self._send_empty = send_empty
        self._may_hint = may_hint
        self._runs_handlers = runs_handlers
        self._lanes = LaneWaker()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Until ``stop``. An error ends the round; the next one begins on a new connection."""
        backoff = Backoff()
        while not self._stopping.is_set():
            pause_s = 0.0
            try:
                self._prepare_session()
                for number in itertools.count():
                    self.round(number)
                    backoff.reset()
                    if self._stopping.wait(jittered(LONGEST_PAUSE_S)):
                        return
            except Exception as error:
                # After any error the sweeper must go on.
                pause_s = backoff.failed()
                log.error(
                    "sweep interrupted, trying again",
                    error=repr(error),
                    in_s=round(pause_s, 1),
                    exc_info=not isinstance(error, Error),
                )
            finally:
                connection.close()
            self._stopping.wait(pause_s)

    def stop(self) -> None:
        """End after the current round."""
        self._stopping.set()

    def round(self, number: int) -> None:
        """All steps in round 0; only the hints in most other rounds."""
        if number % TAKE_BACK_EVERY == 0:
            _take_back()
        if number % WAKE_EVERY == 0:
            self._wake()
        if self._may_hint():
            self._send_hints()

    def _prepare_session(self) -> None:
        """The session does not wait for the disk: a sweep that is lost with the power is made again."""
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
        claim_owner.enable_keepalives()

    def _wake(self) -> None:
        if known.reload().has_ordered:
            self._lanes.step()
        retiring.discard_left_over()

    def _send_hints(self) -> None:
        due = deliveries.sweep(HINTS_AT_ONCE, runs_handlers=self._runs_handlers)
        if due:
            self._hint(due)
        if len(due) == HINTS_AT_ONCE:
            self._send_empty()


def _take_back() -> None:
    """Release the claims of ended processes, for instance of the worker that this one replaces."""
    if attempts := deliveries.take_back():
        log.warning("claims of ended processes taken back", deliveries=attempts)
