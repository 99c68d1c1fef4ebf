"""Rate limits: one token bucket per route and asker, counted once for all gateways.

The generic cell rate algorithm (ITU-T I.371): the bucket holds ``limit`` tokens
and regains them evenly over ``window_s``. So at most ``limit`` at once, ``limit``
per window in the long run, and never more than twice ``limit`` in any window.

The script is atomic and uses the store's clock, so that gateways need not agree
on the time. While the store is away each process counts for itself.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.edge.error_responses import ErrorResponse
from gateway.edge.resp import CommandError, Store, StoreAway

log = logging.getLogger(__name__)

STORE_TIMEOUT_S = 0.1
RECONNECT_S = 1.0
MAX_LOCAL = 50_000
KEY = "gateway:limit:"

SCRIPT = b"""
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + now[2] / 1000
local window_ms, limit = tonumber(ARGV[1]), tonumber(ARGV[2])
local step = window_ms / limit
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now_ms)
local over = full_at + step - window_ms - now_ms
if over > 0.001 then
  return {0, 0, math.ceil(over), math.ceil(full_at - now_ms)}
end
full_at = full_at + step
redis.call('SET', KEYS[1], string.format('%.3f', full_at), 'PX', math.ceil(full_at - now_ms) + 1)
return {1, math.floor((window_ms - (full_at - now_ms)) / step + 0.001), 0, math.ceil(full_at - now_ms)}
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wait_ms`` until one more would be allowed; ``reset_ms`` until the bucket is full again."""

    allowed: bool
    remaining: int
    wait_ms: int
    reset_ms: int


class LocalBuckets:
    """The same rule for this process alone."""

    def __init__(self, now_ms: Callable[[], float] = lambda: time.monotonic() * 1000) -> None:
        self._now_ms = now_ms
        self._full_at: dict[str, float] = {}

    def take(self, key: str, limit: int, window_s: int) -> Verdict:
        now, window_ms = self._now_ms(), window_s * 1000
        step = window_ms / limit
        full_at = max(self._full_at.get(key, 0.0), now)
        over = full_at + step - window_ms - now
        if over > 0.001:
            return Verdict(False, 0, _up(over), _up(full_at - now))
        if len(self._full_at) >= MAX_LOCAL:
            self._full_at = (
                {key: at for key, at in self._full_at.items() if at > now}
                if full_at == now
                else self._full_at
            )
            if len(self._full_at) >= MAX_LOCAL:
                del self._full_at[next(iter(self._full_at))]
        full_at += step
        self._full_at[key] = full_at
        return Verdict(True, int((window_ms - (full_at - now)) / step + 0.001), 0, _up(full_at - now))


class Limiter:
    """Counts in the store; `take` never raises and never waits longer than ``STORE_TIMEOUT_S``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._local = LocalBuckets()
        self._script = b""
        self.fallbacks = 0

    async def keep_connected(self) -> None:
        """Connect to the store, and again after each loss, until the task is cancelled."""
        complained = False
        while True:
            if not self._store.connected or not self._script:
                try:
                    if not self._store.connected:
                        await self._store.connect()
                    self._script = await self._store.command(b"SCRIPT", b"LOAD", SCRIPT)
                    complained = False
                except (StoreAway, CommandError) as error:
                    if not complained:
                        log.warning("rate limits are counted per process, the store is away: %s", error)
                    complained = True
            await asyncio.sleep(RECONNECT_S)

    async def take(self, key: str, limit: int, window_s: int) -> Verdict:
        if not self._script:
            return self._fall_back(key, limit, window_s)
        try:
            reply = self._store.command(
                b"EVALSHA",
                self._script,
                b"1",
                f"{KEY}{limit}:{window_s}:{key}".encode(),
                str(window_s * 1000).encode(),
                str(limit).encode(),
            )
            timer = asyncio.get_running_loop().call_later(STORE_TIMEOUT_S, self._give_up, reply)
            try:
                allowed, remaining, wait_ms, reset_ms = await reply
            finally:
                timer.cancel()
        except StoreAway:
            return self._fall_back(key, limit, window_s)
        except CommandError as error:
            if str(error).startswith("NOSCRIPT"):
                self._script = b""  # the store was restarted: loaded again within a second
            return self._fall_back(key, limit, window_s)
        return Verdict(bool(allowed), remaining, wait_ms, reset_ms)

    def _give_up(self, reply: "asyncio.Future[object]") -> None:
        if not reply.done():
            reply.set_exception(StoreAway("no answer in time"))

    def _fall_back(self, key: str, limit: int, window_s: int) -> Verdict:
        self.fallbacks += 1
        return self._local.take(key, limit, window_s)


def fields(policy: bytes, name: str, verdict: Verdict) -> list[tuple[bytes, bytes]]:
    """``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers)."""
    state = f'"{name}";r={verdict.remaining};t={seconds(verdict.reset_ms)}'
    return [(b"ratelimit-policy", policy), (b"ratelimit", state.encode())]


def too_many(limit: int, window_s: int, verdict: Verdict) -> ErrorResponse:
    wait_s = max(1, seconds(verdict.wait_ms))
    return ErrorResponse(
        429,
        "Too many requests from this IP",
        "too_many_requests",
        f"Here {limit} requests in {window_s} s are allowed. Try again in {wait_s} s.",
        headers=[(b"retry-after", str(wait_s).encode())],
        details={"retryAfterS": wait_s},
    )


def seconds(milliseconds: int) -> int:
    return -(-milliseconds // 1000)


def _up(value: float) -> int:
    return int(-(-value // 1))
