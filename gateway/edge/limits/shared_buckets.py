"""The buckets in the store: one script takes reports of any number of buckets and may take a token.

The script is atomic and uses the store's clock, so that gateways need not agree on the time. It takes
reported tokens even when none is left: the bucket then owes them, and nobody passes until it has regained
them. So what was spent too much in one moment is refused later.
"""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.edge.limits.rules import Rule

KEY = "gateway:limit:"
MICROSECONDS = 1_000_000

# How long a full bucket is kept, since a report may name tokens that were spent before it was full.
KEPT_FULL_MS = 2000

SCRIPT = b"""
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + time[2] / 1000
local answer = {}
for place, key in ipairs(KEYS) do
  local at = 5 * place
  local window_ms, limit = tonumber(ARGV[at - 4]), tonumber(ARGV[at - 3])
  local spent, age_ms, asks = tonumber(ARGV[at - 2]), tonumber(ARGV[at - 1]) / 1000, ARGV[at] == '1'
  local step = window_ms / limit
  local full_at = math.max(tonumber(redis.call('GET', key) or 0), now_ms - age_ms) + spent * step
  local taken = 0
  if asks and math.max(full_at, now_ms) + step - window_ms - now_ms <= 0.01 then
    taken = 1
    full_at = math.max(full_at, now_ms) + step
  end
  if spent + taken > 0 then
    local kept_ms = math.max(0, math.ceil(full_at - now_ms)) + KEPT_FULL_MS
    redis.call('SET', key, string.format('%.3f', full_at), 'PX', string.format('%d', kept_ms))
  end
  answer[2 * place - 1] = taken
  answer[2 * place] = math.floor((full_at - now_ms) * 1000)
end
return answer
""".replace(b"KEPT_FULL_MS", b"%d" % KEPT_FULL_MS)


class Report(NamedTuple):
    """``spent`` tokens of one bucket, the first of them ``age_s`` ago."""

    bucket_id: str
    rule: Rule
    spent: int
    age_s: float


def arguments(script: bytes, reports: Sequence[Report], *, asks: bool = False) -> tuple[bytes, ...]:
    """The command for ``reports``. With ``asks`` it takes one token more of each bucket that has one."""
    keys = [f"{KEY}{report.bucket_id}".encode() for report in reports]
    values: list[bytes] = []
    for report in reports:
        values += (
            b"%d" % (report.rule.window_s * 1000),
            b"%d" % report.rule.limit,
            b"%d" % report.spent,
            b"%d" % (report.age_s * MICROSECONDS),
            b"1" if asks else b"0",
        )
    return (b"EVALSHA", script, b"%d" % len(keys), *keys, *values)


def answers(reply: Sequence[int]) -> list[tuple[int, float]]:
    """For each bucket the number of tokens that were taken, and the seconds until it is full."""
    return [(taken, full_in / MICROSECONDS) for taken, full_in in zip(reply[::2], reply[1::2], strict=True)]
