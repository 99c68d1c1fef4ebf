"""The ``ENGINE`` of every project: Django's own, with a bound on the connections of a process."""

import weakref
from typing import Any

from django.db.backends.postgresql import base

from atoll.postgresql import bound


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread waits for a connection while all connections of the process are in use.

    The place is free again when the connection is closed, or when its thread ends without closing it.
    """

    _leave: Any = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        give_back = bound.take()
        try:
            made = super().get_new_connection(conn_params)
        except BaseException:
            give_back()
            raise
        self._leave = weakref.finalize(made, give_back)
        return made

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]  # Django's own, which its stubs do not name
        finally:
            if self._leave is not None:
                self._leave()
