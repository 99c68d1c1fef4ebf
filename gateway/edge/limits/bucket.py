"""What one process knows of one token bucket that several processes share.

The generic cell rate algorithm (ITU-T I.371): a bucket holds ``limit`` tokens and regains them evenly over
the window. Its state is the moment at which it will be full. So at most ``limit`` requests pass at once,
``limit`` per window in the long run, and never more than twice ``limit`` in any window.

A process may spend up to ``lease`` tokens before the store hears of them. Between two reports it adds its
own spending to what the store said last.
"""

from math import ceil
from typing import NamedTuple

from gateway.edge.limits.rules import Rule

# Times travel in microseconds, so sums of them may differ by a few.
ROUNDING_S = 1e-5
ROUNDING = 0.001
LEASE_SHARE = 10
LEASE_GROWTH = 4
# After so long without an answer of the store, the next request asks it.
FRESH_S = 10.0

# A third of the time of the constructor of a NamedTuple.
_new = tuple.__new__


class Verdict(NamedTuple):
    """``wait_ms`` until one more would be allowed; ``reset_ms`` until the bucket is full again."""

    allowed: bool
    remaining: int
    wait_ms: int
    reset_ms: int


class Bucket:
    """``full_at`` is on this process's clock, in seconds.

    ``spent`` are tokens that no report has named yet, the first of them at ``spent_since``; ``reported``
    are those of reports without an answer. ``lease`` bounds the sum of both. ``learned_at`` is the time
    of the store's last answer. At ``half_lease`` a report is due. ``is_kept`` is for the cache
    of buckets.
    """

    __slots__ = (
        "full_at", "half_lease", "id", "is_kept", "learned_at", "lease", "reported", "rule", "spent",
        "spent_since",
    )  # fmt: skip

    def __init__(self, rule: Rule, bucket_id: str) -> None:
        self.rule = rule
        self.id = bucket_id
        self.full_at = 0.0
        self.lease = 0
        self.half_lease = 1
        self.spent = 0
        self.spent_since = 0.0
        self.reported = 0
        self.learned_at = 0.0
        self.is_kept = False

    def spend(self, now: float, *, alone: bool = False) -> Verdict | None:
        """Take one token from memory. None when the store must be asked, which ``alone`` never says.

        A refusal is never too early by what this process knows, since others only take tokens.
        """
        rule = self.rule
        full_at = self.full_at
        if full_at < now:
            full_at = now
        full_at += rule.step_s
        in_s = full_at - now
        left_s = rule.window_s - in_s
        if left_s < -ROUNDING_S:
            return self.refused(now)
        if not alone and (self.spent + self.reported >= self.lease or now - self.learned_at > FRESH_S):
            return None
        if not self.spent:
            self.spent_since = now
        self.spent += 1
        self.full_at = full_at
        return _new(Verdict, (True, int(left_s / rule.step_s + ROUNDING), 0, ceil(in_s * 1000)))

    def refused(self, now: float) -> Verdict:
        in_s = max(0.0, self.full_at - now)
        over_s = in_s + self.rule.step_s - self.rule.window_s
        return Verdict(False, 0, max(1, ceil(over_s * 1000)), ceil(in_s * 1000))

    def granted(self, now: float) -> Verdict:
        """The verdict on a token that the store has given."""
        in_s = max(0.0, self.full_at - now)
        remaining = int((self.rule.window_s - in_s) / self.rule.step_s + ROUNDING)
        return Verdict(True, max(0, remaining), 0, ceil(in_s * 1000))

    def report(self) -> int:
        """The tokens to report now. `learn` or `report_failed` must follow."""
        spent, self.spent = self.spent, 0
        self.reported += spent
        return spent

    def report_failed(self, spent: int, since: float) -> None:
        """The store may not have heard of ``spent`` tokens: they are reported again."""
        self.reported -= spent
        if spent:
            self.spent += spent
            self.spent_since = since

    def learn(self, now: float, full_in_s: float, *, reported: int, taken: int = 0) -> None:
        """Take the store's answer in: its bucket is full in ``full_in_s``; below 0, it has been full.

        The answer counts ``reported`` tokens of this process and ``taken`` ones. The next lease is a
        share of what remains, so it is 0 near the limit, and at most four times what the last report had. A
        request that had to ask doubles the lease: many that ask at once must not keep it at the size of one.
        """
        rule = self.rule
        self.reported -= reported
        told = now + full_in_s + (self.spent + self.reported) * rule.step_s
        self.full_at = max(told, self.full_at + taken * rule.step_s)
        self.learned_at = now
        remaining = int((rule.window_s - max(0.0, full_in_s)) / rule.step_s)
        wanted = LEASE_GROWTH * (reported + taken)
        if taken:
            wanted = max(wanted, 2 * self.lease)
        self.lease = max(0, min(remaining // LEASE_SHARE, wanted))
        self.half_lease = max(1, self.lease // 2)
