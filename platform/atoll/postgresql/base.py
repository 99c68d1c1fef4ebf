"""The ``ENGINE`` of every project: Django's own, and no more connections than the process may have."""

import weakref
from typing import Any

from django.db.backends.postgresql import base

from atoll.postgresql import bound


class DatabaseWrapper(base.DatabaseWrapper):
    """A thread that needs a connection waits while the process has all of them in use.

    The place comes back when the connection is closed, and also when a thread ends and its
    connection is only let go of.
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
