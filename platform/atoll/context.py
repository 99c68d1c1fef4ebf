"""The context of the running work: its correlation id, its idempotency key and its deadline.

The entry points set it once: an HTTP request, the delivery of a message, a command. Calls to services,
published messages and log lines read it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from atoll.ids import uuid7

__all__ = [
    "accept_correlation_id",
    "correlation_id",
    "deadline",
    "idempotency_key",
    "new_correlation_id",
    "work",
]

CORRELATION_ID = re.compile(r"[A-Za-z0-9-]{8,64}")

_correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
_idempotency_key: ContextVar[str | None] = ContextVar("idempotency_key", default=None)
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def new_correlation_id() -> str:
    """A new id for work that nobody has named yet."""
    return str(uuid7())


def accept_correlation_id(offered: str | None) -> str:
    """The offered id if it is 8 to 64 characters of ``[A-Za-z0-9-]``, else a new id."""
    if offered and CORRELATION_ID.fullmatch(offered):
        return offered
    return new_correlation_id()


def correlation_id() -> str | None:
    """The id of the running work; None outside of any work."""
    return _correlation_id.get()


def idempotency_key() -> str | None:
    """The key of the running delivery. ``atoll.client`` sends it with every POST."""
    return _idempotency_key.get()


def deadline() -> float | None:
    """When the caller stops waiting, on the clock of ``time.monotonic()``; None without a limit."""
    return _deadline.get()


@contextmanager
def work(
    *,
    correlation_id: str,
    idempotency_key: str | None = None,
    deadline: float | None = None,
) -> Iterator[None]:
    """Code inside of the ``with`` block runs in this context. The earlier context returns at its end."""
    tokens = (
        (_correlation_id, _correlation_id.set(correlation_id)),
        (_idempotency_key, _idempotency_key.set(idempotency_key)),
        (_deadline, _deadline.set(deadline)),
    )
    try:
        yield
    finally:
        for variable, token in reversed(tokens):
            variable.reset(token)  # type: ignore[arg-type]
