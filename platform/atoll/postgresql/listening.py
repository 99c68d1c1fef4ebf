"""Notifications of PostgreSQL, heard on Django's connection of the current thread."""

import selectors
import threading
from collections.abc import Callable
from typing import Any

from django.db import Error, connection

from atoll.backoff import Backoff
from atoll.postgresql.driver import Notifications


class Subscription:
    """The channels that this thread's connection listens to, until the connection is closed."""

    def __init__(self, *channels: str) -> None:
        """Raises Django's database errors."""
        with connection.cursor() as cursor:
            for channel in channels:
                cursor.execute(f"LISTEN {channel}")
        self._server = connection.connection
        self._arrived = Notifications(self._server)

    def take(self) -> list[Any]:
        """The notifications that have arrived, oldest first; does not wait.

        Raises Django's database errors when the connection is lost.
        """
        with connection.wrap_database_errors:
            return self._arrived.take()

    def wait(self, timeout_s: float, *others: Any) -> set[Any]:
        """Sleep until there is a notification, one of ``others`` is readable or ``timeout_s`` seconds have
        passed.

        Returns those of ``others`` that are readable. A None among them is left out.
        """
        if self._arrived:
            return set()
        # select.select would refuse descriptors from 1024 on.
        with connection.wrap_database_errors, selectors.DefaultSelector() as selector:
            for socket in (self._server, *others):
                if socket is not None:
                    selector.register(socket, selectors.EVENT_READ)
            ready = selector.select(max(timeout_s, 0.0))
        return {key.fileobj for key, _ in ready} - {self._server}


def keep_listening(
    *channels: str,
    stopping: threading.Event,
    tick: Callable[[list[Any]], object],
    tick_s: float,
    lost: Callable[[Exception, bool], None],
    backoff: Backoff,
) -> None:
    """Call ``tick`` with the notifications as they arrive, and every ``tick_s`` seconds without any,
    until ``stopping`` is set.

    The first call follows LISTEN, so that a ``tick`` that reads the tables misses no change. When the
    database is lost, ``lost`` is called with the error and with whether it is the first in a row; the
    connection is made anew after a pause. The connection is closed at the end.
    """
    while not stopping.is_set():
        pause_s = 0.0
        try:
            heard = Subscription(*channels)
            while not stopping.is_set():
                tick(heard.take())
                backoff.reset()
                heard.wait(tick_s)
        except (Error, OSError) as error:
            lost(error, backoff.is_fresh)
            pause_s = backoff.failed()
        finally:
            connection.close()
        stopping.wait(pause_s)
