"""Counts requests against limits: in memory where a lease allows it, in the shared store where not.

A process may spend up to a lease of tokens of each bucket before the store hears of them. A lease is a
tenth of what remains at most, and at most four times what the last report had. So a key with few requests or
near its limit is counted exactly, a busy one costs a report every `REPORT_EVERY_S`, and one process alone is
exact. Of several, (processes - 1) x lease requests pass too many in the worst case, beside what the bucket
regains while a report is under way. The bucket owes them afterwards.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from gateway.edge.limits.bucket import Bucket, Verdict
from gateway.edge.limits.bucket_cache import MOST_BUCKETS, BucketCache
from gateway.edge.limits.rules import Rule
from gateway.edge.limits.shared_buckets import SCRIPT, Report, answers, arguments
from gateway.edge.resp import CommandError, Reply, Store, StoreAway

log = logging.getLogger(__name__)

STORE_TIMEOUT_S = 0.1
CONNECT_TIMEOUT_S = 2.0
RECONNECT_S = 1.0
REPORT_EVERY_S = 0.25
BUCKETS_PER_REPORT = 64


class Limiter:
    """While the store is away each process counts for itself, and reports afterwards."""

    def __init__(
        self, store: Store, clock: Callable[[], float] = time.monotonic, most_buckets: int = MOST_BUCKETS
    ) -> None:
        self._store = store
        self._clock = clock
        self._script = b""
        self._buckets = BucketCache(self._forget, most_buckets)
        self._unreported: dict[str, Bucket] = {}
        self.fallbacks = 0

    @property
    def shares(self) -> bool:
        """Whether the store counts. Otherwise this process counts for itself."""
        return bool(self._script) and self._store.connected

    def spend(self, rule: Rule, key: str) -> Verdict | None:
        """The verdict, where this process knows it. None: ask `take`, which waits for the store."""
        bucket = self._buckets.get(rule.id + key)
        if not (self._script and self._store.connected):
            return self._fall_back(bucket or self._add(rule, key))
        if bucket is None:
            return None
        verdict = bucket.spend(self._clock())
        if verdict is not None:
            if bucket.spent == 1:
                self._unreported[bucket.id] = bucket
            elif bucket.spent >= bucket.half_lease and not bucket.reported:
                self._send([bucket])
            if not bucket.is_kept:
                self._buckets.keep(bucket)
        return verdict

    async def take(self, rule: Rule, key: str) -> Verdict:
        """Never raises and never waits longer than `STORE_TIMEOUT_S`."""
        bucket = self._buckets.get(rule.id + key)
        if bucket is None:
            bucket = self._add(rule, key)
        else:
            self._buckets.keep(bucket)
        if not self.shares:
            return self._fall_back(bucket)
        report = self._reported(bucket)
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                reply = await self._store.command(*arguments(self._script, [report], asks=True))
        except (StoreAway, CommandError, TimeoutError) as error:
            self._failed([(bucket, report)], error)
            return self._fall_back(bucket)
        except asyncio.CancelledError as error:
            self._failed([(bucket, report)], error)
            raise
        ((taken, full_in_s),) = answers(reply)
        now = self._clock()
        bucket.learn(now, full_in_s, reported=report.spent, taken=taken)
        return bucket.granted(now) if taken else bucket.refused(now)

    def report(self) -> None:
        """Tell the store what was spent since the last report."""
        waiting = list(self._unreported.values())
        for start in range(0, len(waiting), BUCKETS_PER_REPORT):
            if self.shares:
                self._send(waiting[start : start + BUCKETS_PER_REPORT])

    def _reported(self, bucket: Bucket) -> Report:
        age_s = self._clock() - bucket.spent_since if bucket.spent else 0.0
        self._unreported.pop(bucket.id, None)
        return Report(bucket.id, bucket.rule, bucket.report(), age_s)

    def _send(self, buckets: list[Bucket]) -> None:
        """Report without waiting for the answer."""
        sent = [(bucket, self._reported(bucket)) for bucket in buckets]
        try:
            reply = self._store.command(*arguments(self._script, [report for _, report in sent]))
        except StoreAway as error:
            self._failed(sent, error)
            return
        reply.add_done_callback(lambda done: self._answered(sent, done))

    def _answered(self, sent: list[tuple[Bucket, Report]], reply: "asyncio.Future[Reply]") -> None:
        error = asyncio.CancelledError() if reply.cancelled() else reply.exception()
        if error is not None:
            self._failed(sent, error)
            return
        now = self._clock()
        for (bucket, report), (_, full_in_s) in zip(sent, answers(reply.result()), strict=True):
            bucket.learn(now, full_in_s, reported=report.spent)

    def _failed(self, sent: list[tuple[Bucket, Report]], error: BaseException) -> None:
        """What the store may not have heard is reported again, so at worst it counts twice."""
        now = self._clock()
        for bucket, report in sent:
            bucket.report_failed(report.spent, now - report.age_s)
            if bucket.spent:
                self._unreported[bucket.id] = bucket
        if isinstance(error, CommandError) and str(error).startswith("NOSCRIPT"):
            self._script = b""  # the store was restarted: loaded again within a second
        elif isinstance(error, TimeoutError):
            self._script = b""
            self._store.close()  # a store that hangs would delay each request

    def _fall_back(self, bucket: Bucket) -> Verdict:
        self.fallbacks += 1
        verdict = bucket.spend(self._clock(), alone=True)
        assert verdict is not None, "a process alone asks nobody"  # noqa: S101
        if bucket.spent:
            self._unreported[bucket.id] = bucket
        self._buckets.keep(bucket)
        return verdict

    def _add(self, rule: Rule, key: str) -> Bucket:
        bucket = Bucket(rule, rule.id + key)
        self._buckets.add(bucket)
        return bucket

    def _forget(self, bucket: Bucket) -> None:
        """Without the store nobody takes the bucket's report, so it would stay in memory."""
        if not self.shares:
            self._unreported.pop(bucket.id, None)

    async def _connect(self) -> None:
        if not self._store.connected:
            await self._store.connect()
        self._script = await self._store.command(b"SCRIPT", b"LOAD", SCRIPT)

    async def keep_connected(self) -> None:
        """Connect to the store, and again after each loss, until the task is cancelled."""
        complained = False
        while True:
            if not self.shares:
                try:
                    async with asyncio.timeout(CONNECT_TIMEOUT_S):
                        await self._connect()
                    complained = False
                except (StoreAway, CommandError, TimeoutError) as error:
                    self._store.close()
                    if not complained:
                        log.warning("rate limits are counted per process, the store is away: %s", error)
                    complained = True
            await asyncio.sleep(RECONNECT_S)

    async def keep_reporting(self) -> None:
        """Report every `REPORT_EVERY_S` until the task is cancelled."""
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            self.report()
