"""The list of revocations of this process, fetched again in the background."""

import logging
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from atoll.client import ServiceClient
from atoll.errors import AtollError, Unavailable
from atoll.identity.jwks import Refresh
from atoll.identity.principal import Principal
from atoll.identity.revocations import Mark, Revocations

log = logging.getLogger(__name__)

WAIT_FOR_FETCH_S = 1.0
FETCH_TIMEOUT_S = 2.0
PATH = "/.well-known/revocations.json"


class RevocationSource:
    """A list and the function that fetches it. A fetch runs in a thread of its own. A caller waits for it
    for at most ``WAIT_FOR_FETCH_S``, and not at all while users is known to be away."""

    def __init__(self, fetch: Callable[[], Any], revocations: Revocations | None = None) -> None:
        self._fetch = fetch
        self._list = revocations or Revocations()
        self._done = threading.Condition()
        self._is_away = False

    def covers(self, principal: Principal) -> bool:
        self._catch_up()
        return self._list.covers(principal)

    def mark_of(self, subject: str) -> Mark | None:
        """The mark of an account or service, if it has one."""
        self._catch_up()
        return self._list.mark_of(subject)

    def mark_of_sign_in(self, sid: str) -> Mark | None:
        self._catch_up()
        return self._list.mark_of_sign_in(sid)

    def _catch_up(self) -> None:
        if self._list.due() is not Refresh.NO:
            threading.Thread(target=self._refresh, name="revocations", daemon=True).start()
        if self._list.is_stale and self._list.fetching:
            with self._done:
                self._done.wait_for(lambda: not self._list.fetching, WAIT_FOR_FETCH_S)

    def _refresh(self) -> None:
        try:
            self._list.accept(self._fetch())
            self._is_away = False
        except (AtollError, OSError, ValueError) as error:
            self._list.fail()
            if not self._is_away:
                log.warning("revocations could not be fetched, tokens live to their own end: %s", error)
            self._is_away = True
        except BaseException:
            self._list.fail()
            raise
        finally:
            with self._done:
                self._done.notify_all()


def fetch_from_users() -> Any:
    """The published list; raises Unavailable."""
    reply = ServiceClient("user-service", timeout_s=FETCH_TIMEOUT_S).get(PATH, token=False)
    if not reply.ok:
        raise Unavailable("user-service", f"the revocations were answered with {reply.status}")
    return reply.json()


@cache
def published_revocations() -> RevocationSource:
    return RevocationSource(fetch_from_users)
