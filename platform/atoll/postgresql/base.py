"""The ``ENGINE`` of every project: Django's own, with a bound on connections and with few pings."""

import select
import time
import weakref
from typing import Any

from django.db.backends.postgresql import base

from atoll.postgresql import bound

PING_AFTER_S = 5.0


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread waits for a connection while all connections of the process are in use.

    The place is free again when the connection is closed, or when its thread ends without closing it.
    """

    _leave: Any = None
    _answered_at = 0.0
    health_check_done: bool

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        give_back = bound.take()
        try:
            made = super().get_new_connection(conn_params)
        except BaseException:
            give_back()
            raise
        self._leave = weakref.finalize(made, give_back)
        self._answered_at = time.monotonic()
        return made

    def close_if_health_check_failed(self) -> None:
        """Django pings before the first query of each request. Here a connection that answered in the last
        PING_AFTER_S is pinged only if the server has sent something, which it does when it ends one."""
        if self.connection is None or self.health_check_done:
            return
        now = time.monotonic()
        if now - self._answered_at < PING_AFTER_S and not _has_unread(self.connection):
            self.health_check_done = True
            return
        super().close_if_health_check_failed()
        self._answered_at = now

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]  # Django's own, which its stubs do not name
        finally:
            if self._leave is not None:
                self._leave()


def _has_unread(connection: Any) -> bool:
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
