"""Tells the registry the causes of the present failures, from the first failed attempt on.

A thread of each worker. It reads the ledger after a failed attempt of this worker, every few seconds while
something fails, and once a minute otherwise: so it also tells that nothing fails any more, and corrects what
another worker could not tell. Good deliveries cost nothing.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connection

from atoll import conf, wire
from atoll.backoff import Backoff
from atoll.bus.delivery import failure_count
from atoll.bus.operations import at_stake, causes
from atoll.bus.operations.at_stake import Question, Stake
from atoll.bus.operations.causes import Cause, Causes
from atoll.errors import AtollError

log = structlog.get_logger("atoll.bus")

LOOK_EVERY_S = 0.25
# Not more often, however many attempts fail; and a report takes at most this share of the time.
AT_MOST_EVERY_S = 1.0
MOST_SHARE = 0.05
WHILE_FAILING_S, QUIET_S = 5.0, 60.0
# Other services are asked what depends on the messages.
ASK_EVERY_S = 15.0
# The registry takes no longer ones.
MAX_NAME_CHARACTERS, MAX_CAUSE_CHARACTERS = 300, 500

Tell = Callable[[dict[str, Any]], None]
Ask = Callable[[Sequence[Question]], list[Stake]]


class FailureReporter:
    def __init__(
        self,
        tell: Tell | None = None,
        ask: Ask = at_stake.everywhere,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``tell`` sends a report; by default to the registry. It raises AtollError."""
        self._tell = tell
        self._ask = ask
        self._clock = clock
        self._seen = failure_count.value()
        self._free_at = float("-inf")
        self._next_at = float("-inf")
        self._ask_at = float("-inf")
        self._stakes: dict[Any, Stake] = {}
        self._backoff = Backoff(first_s=1.0, last_s=WHILE_FAILING_S)
        self._is_away = False
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            self.step()

    def stop(self) -> None:
        self._stopping.set()

    def step(self) -> bool:
        """Report if it is time to; whether it was."""
        now = self._clock()
        failures = failure_count.value()
        is_news = failures != self._seen and now >= self._free_at
        if not (is_news and not self._is_away) and now < self._next_at:
            return False
        self._seen = failures
        try:
            found = self._report()
        except (DatabaseError, InterfaceError, AtollError, ImproperlyConfigured) as error:
            if not self._is_away:
                log.warning("the registry cannot be told of failures, trying again", error=str(error).strip())
            self._is_away, self._next_at = True, now + self._backoff.failed()
            return True
        finally:
            connection.close()
            took_s = self._clock() - now
            self._free_at = now + max(AT_MOST_EVERY_S, took_s / MOST_SHARE)
        pause_s = max(WHILE_FAILING_S, took_s / MOST_SHARE) if found.causes else QUIET_S
        self._is_away, self._next_at = False, now + pause_s
        self._backoff.reset()
        return True

    def _report(self) -> Causes:
        """Tell at once, and again when the other services have answered."""
        found = causes.now_failing()
        known = {one.group for one in found.causes}
        news = known - self._stakes.keys()
        self._stakes = {group: stake for group, stake in self._stakes.items() if group in known}
        self._send(found)
        if found.causes and (news or self._clock() >= self._ask_at):
            self._ask_at = self._clock() + ASK_EVERY_S
            asked = found.causes[: at_stake.MAX_QUESTIONS]
            answers = self._ask([_question(one) for one in asked])
            before = dict(self._stakes)
            self._stakes |= {one.group: stake for one, stake in zip(asked, answers, strict=True)}
            if self._stakes != before:
                self._send(found)
        return found

    def _send(self, found: Causes) -> None:
        if self._tell is None:
            from atoll.discovery import RegistryClient

            self._tell = RegistryClient(conf.project_name()).tell_failing
        self._tell(
            {
                "serviceName": conf.service_name(),
                "asOf": wire.timestamp(found.as_of),
                "isCut": found.is_cut,
                "causes": [to_wire(one, self._stakes.get(one.group, Stake())) for one in found.causes],
            }
        )


def to_wire(cause: Cause, stake: Stake) -> dict[str, Any]:
    """``isCut``: the timers and things are those of the first messages alone. Unknown times are left out."""
    times = {
        "firstAt": cause.first_at,
        "lastAt": cause.last_at,
        "nextAt": cause.next_at,
        "deadAt": cause.dead_at,
    }
    return {
        "handler": cause.group.handler[:MAX_NAME_CHARACTERS],
        "name": cause.group.name[:MAX_NAME_CHARACTERS],
        "cause": cause.group.error_group[:MAX_CAUSE_CHARACTERS],
        "failing": cause.failing,
        "dead": cause.dead,
        "behind": cause.behind,
        **{name: wire.timestamp(at) for name, at in times.items() if at},
        "sample": str(cause.sample),
        "isCut": cause.is_cut,
        **wire.to_payload(stake),
    }


def _question(cause: Cause) -> Question:
    return Question(correlation_ids=list(cause.correlation_ids), keys=list(cause.keys))
