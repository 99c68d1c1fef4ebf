"""What the running work belongs to: the correlation id and its deadline.

Set once where work enters (an HTTP request, a delivered message, a command line)
and read by everything that leaves or is logged: calls, events, log lines.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from atoll.ids import uuid7

CORRELATION_ID = re.compile(r"[A-Za-z0-9-]{8,64}")

_correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
_idempotency_key: ContextVar[str | None] = ContextVar("idempotency_key", default=None)
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def new_correlation_id() -> str:
    return str(uuid7())


def accept_correlation_id(offered: str | None) -> str:
    """The offered id when it is well formed (8 to 64 of ``[A-Za-z0-9-]``), else a new one."""
    if offered and CORRELATION_ID.fullmatch(offered):
        return offered
    return new_correlation_id()


def correlation_id() -> str | None:
    return _correlation_id.get()


def idempotency_key() -> str | None:
    """The key of the delivery being handled; ``atoll.client`` sends it with every POST."""
    return _idempotency_key.get()


def deadline() -> float | None:
    """When the caller stops waiting, on ``time.monotonic()``'s clock; None when nobody waits."""
    return _deadline.get()


@contextmanager
def work(
    *,
    correlation_id: str,
    idempotency_key: str | None = None,
    deadline: float | None = None,
) -> Iterator[None]:
    """Everything inside belongs to this piece of work; what was set before comes back after."""
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
