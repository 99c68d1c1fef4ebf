"""Revocations: sign-ins and accounts that users has ended before their tokens expire.

Like ``jwks.KeySet``, ``Revocations`` has no transport and no threads. It decides, and the caller fetches
and reports back with ``accept`` or ``fail``. A check is two lookups in a dict.

The list holds marks. A mark of an account (``sub``) or of one sign-in (``sid``) refuses every token that
was issued for it in that second or before. Users keeps a mark for as long as a token may live.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from atoll.identity.jwks import Refresh
from atoll.identity.principal import Principal

FRESH_S = 1.5
STALE_S = 2.0
RETRY_AFTER_FAILURE_S = 2.0
FETCH_GIVEN_UP_S = 5.0
MAX_MARKS = 5000


@dataclass(frozen=True)
class Mark:
    """``before`` is in seconds since 1970. ``ends_sessions``: the sessions in admins end, too."""

    before: int
    ends_sessions: bool


class Revocations:
    """The last good list of marks.

    While users is away the last list stays, and other tokens live until they expire: an outage of users
    signs nobody out. A list older than ``STALE_S`` is fetched before it is used, so that the first
    request after a pause meets a current list. While users is known to be away no request waits. A
    caller that gets BEHIND or FIRST holds the single fetch and must end it with ``accept`` or ``fail``.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._marks: Mapping[str, Mark] = {}
        self._fetched_at = -STALE_S
        self._failed_at: float | None = None
        self._fetching_since: float | None = None

    @property
    def fetching(self) -> bool:
        return self._within(self._fetching_since, FETCH_GIVEN_UP_S, self._clock())

    def due(self) -> Refresh:
        """The duty of the caller before it uses the list."""
        now = self._clock()
        if now - self._fetched_at < FRESH_S:
            return Refresh.NO
        with self._lock:
            if self._within(self._fetching_since, FETCH_GIVEN_UP_S, now):
                return Refresh.NO
            if self._within(self._failed_at, RETRY_AFTER_FAILURE_S, now):
                return Refresh.NO
            self._fetching_since = now
            waits = self._failed_at is None and now - self._fetched_at >= STALE_S
            return Refresh.FIRST if waits else Refresh.BEHIND

    @property
    def is_stale(self) -> bool:
        """Whether a caller should wait for a running fetch."""
        return self._failed_at is None and self._clock() - self._fetched_at >= STALE_S

    def accept(self, document: Any) -> None:
        """Replace the list. A malformed one raises ValueError, keeps the last list and counts as `fail`."""
        try:
            marks = read_marks(document)
        except ValueError:
            self.fail()
            raise
        with self._lock:
            self._marks = marks
            self._fetched_at = self._clock()
            self._failed_at = self._fetching_since = None

    def fail(self) -> None:
        with self._lock:
            self._failed_at = self._clock()
            self._fetching_since = None

    def mark_of(self, subject: str) -> Mark | None:
        return self._marks.get(f"sub:{subject}")

    def mark_of_sign_in(self, sid: str) -> Mark | None:
        return self._marks.get(f"sid:{sid}")

    def covers(self, principal: Principal) -> bool:
        """Whether the principal's token was revoked."""
        marks = self._marks
        if not marks:
            return False
        return _is_over(marks.get(f"sub:{principal.id}"), principal) or (
            principal.session is not None and _is_over(marks.get(f"sid:{principal.session}"), principal)
        )

    @staticmethod
    def _within(moment: float | None, span_s: float, now: float) -> bool:
        return moment is not None and now - moment < span_s


def read_marks(document: Any) -> dict[str, Mark]:
    """Raises ValueError for anything but ``{"revoked": {"sub:ID": [before, endsSessions], ...}}``."""
    rows = document.get("revoked") if isinstance(document, dict) else None
    if not isinstance(rows, dict) or len(rows) > MAX_MARKS:
        raise ValueError("not a list of revocations")
    try:
        return {str(key): Mark(int(before), bool(ends)) for key, (before, ends) in rows.items()}
    except (TypeError, ValueError) as error:
        raise ValueError("a revocation cannot be read") from error


def _is_over(mark: Mark | None, principal: Principal) -> bool:
    return mark is not None and principal.issued_at <= mark.before
