"""Names in DNS, asked for again when their records have expired.

the answer is young enough          it is used
it has expired a moment ago         it is used once more, and a thread asks again
nobody has asked for a long time    the caller waits for the new answer, two seconds at most
no server answers                   the last answer stays, whatever its age; `age_s` gives it
DNS says that there is nothing      nothing is there, and the caller is told so
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from atoll.backoff import Backoff
from atoll.discovery.dns_lookup import Found, LookUp, NoAnswer, NothingThere, look_up
from atoll.discovery.instances import Instance
from atoll.discovery.places import Place
from atoll.errors import NoInstance, Unavailable

logger = logging.getLogger(__name__)

LEAST_TTL_S = 1.0
MOST_TTL_S = 300.0
EMPTY_AGAIN_S = 1.0
LONG_UNUSED_S = 30.0


@dataclass
class _Followed:
    """``nothing`` is the reason why DNS has no instance, ``failure`` the one why DNS has not answered."""

    place: Place
    instances: tuple[Instance, ...] = ()
    answered_at: float | None = None
    nothing: str = ""
    failure: str = ""
    due_at: float = float("-inf")
    backoff: Backoff = field(default_factory=Backoff)
    asking: threading.Lock = field(default_factory=threading.Lock)


class FollowedNames:
    """Thread-safe. One thread at a time asks for a name."""

    def __init__(self, find: LookUp = look_up, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._find = find
        self._clock = clock
        self._names: dict[Place, _Followed] = {}

    def resolve(self, service: str, place: Place) -> list[Instance]:
        """Raises NoInstance when DNS has none, and Unavailable when it has never answered.

        Raises ImproperlyConfigured for an invalid DNS_SERVERS.
        """
        followed = self._names.setdefault(place, _Followed(place))
        now = self._clock()
        if now >= followed.due_at:
            if followed.instances and (followed.failure or now - followed.due_at < LONG_UNUSED_S):
                self._ask_behind(followed)
            else:
                with followed.asking:
                    if self._clock() >= followed.due_at:
                        self._ask(followed)
        if followed.instances:
            return list(followed.instances)
        if followed.nothing:
            raise NoInstance(service, followed.nothing)
        raise Unavailable(service, f"cannot be looked up: {followed.failure}")

    def age_s(self, place: Place) -> float | None:
        """Seconds since DNS has answered; None before the first answer."""
        followed = self._names.get(place)
        if followed is None or followed.answered_at is None:
            return None
        return self._clock() - followed.answered_at

    def _ask_behind(self, followed: _Followed) -> None:
        if not followed.asking.acquire(blocking=False):
            return

        def ask() -> None:
            try:
                self._ask(followed)
            finally:
                followed.asking.release()

        threading.Thread(target=ask, name=f"dns-{followed.place.host}", daemon=True).start()

    def _ask(self, followed: _Followed) -> None:
        try:
            found = self._find(followed.place)
        except NoAnswer as error:
            if followed.backoff.is_fresh and followed.instances:
                logger.warning("dns_away, the last addresses stay: %s", error)
            followed.failure = str(error)
            followed.due_at = self._clock() + followed.backoff.failed()
            return
        except NothingThere as error:
            if str(error) != followed.nothing:
                logger.warning("dns_has_no_instance: %s", error)
            followed.instances, followed.nothing = (), str(error)
            followed.due_at = self._clock() + EMPTY_AGAIN_S
        else:
            followed.instances, followed.nothing = found.instances, ""
            followed.due_at = self._clock() + held_s(found)
        followed.answered_at = self._clock()
        followed.failure = ""
        followed.backoff.reset()


def held_s(found: Found) -> float:
    """Seconds until the answer is asked for again: its TTL, within bounds."""
    return min(max(found.ttl_s, LEAST_TTL_S), MOST_TTL_S)
