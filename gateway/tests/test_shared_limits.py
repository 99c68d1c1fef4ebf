"""Several limiters at one store, in any order of events: how far from exact they are, and what it costs.

The store of these tests is a model of the script. One test holds the model against the real store.
"""

import asyncio
import time
import timeit
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atoll import conf
from atoll.ids import uuid7
from gateway.edge.limits import bucket as bucket_state
from gateway.edge.limits import limiter as limiting
from gateway.edge.limits.bucket import LEASE_SHARE, ROUNDING_S, Bucket, Verdict
from gateway.edge.limits.bucket_cache import BucketCache
from gateway.edge.limits.limiter import Limiter
from gateway.edge.limits.rules import Rule
from gateway.edge.limits.shared_buckets import KEY, SCRIPT, Report, answers, arguments
from gateway.edge.resp import StoreAway
from gateway.tests.harness import Clock


class SharedBuckets:
    """The script in Python."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.full_at: dict[bytes, float] = {}
        self.longest_delay_s = 0.0

    def run(self, command: tuple[bytes, ...]) -> list[int]:
        count = int(command[2])
        keys, values = command[3 : 3 + count], command[3 + count :]
        reply: list[int] = []
        for place, key in enumerate(keys):
            window_ms, limit, spent, age_us, asks = values[5 * place : 5 * place + 5]
            reply += self._one(
                key, int(window_ms) / 1000, int(limit), int(spent), int(age_us) / 1e6, asks == b"1"
            )
        return reply

    def _one(
        self, key: bytes, window_s: float, limit: int, spent: int, age_s: float, asks: bool
    ) -> list[int]:
        now, step_s = self.clock(), window_s / limit
        full_at = max(self.full_at.get(key, 0.0), now - age_s) + spent * step_s
        taken = asks and max(full_at, now) + step_s - window_s - now <= 1e-5
        if taken:
            full_at = max(full_at, now) + step_s
        if spent or taken:
            self.full_at[key] = full_at
        return [int(taken), int((full_at - now) * 1e6 // 1)]


class Line:
    """A connection of one limiter. A command takes effect at `arrive`, its answer comes at `reply`."""

    def __init__(self, shared: SharedBuckets) -> None:
        self._shared = shared
        self._sent: deque[tuple[float, tuple[bytes, ...], asyncio.Future[Any]]] = deque()
        self._done: deque[tuple[float, list[int], asyncio.Future[Any]]] = deque()
        self.connected = True

    def command(self, *parts: bytes) -> asyncio.Future[Any]:
        if not self.connected:
            raise StoreAway("away")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._sent.append((self._shared.clock(), parts, future))
        return future

    def close(self) -> None:
        self.connected = False

    def arrive(self) -> None:
        while self._sent:
            at, parts, future = self._sent.popleft()
            self._note_delay(at)
            self._done.append((self._shared.clock(), self._shared.run(parts), future))

    def reply(self) -> None:
        self.arrive()
        while self._done:
            at, answer, future = self._done.popleft()
            self._note_delay(at)
            if not future.done():
                future.set_result(answer)

    def _note_delay(self, since: float) -> None:
        shared = self._shared
        shared.longest_delay_s = max(shared.longest_delay_s, shared.clock() - since)


class Run:
    """Limiters that share a store, one rule, and every verdict with its time."""

    def __init__(self, processes: int, rule: Rule) -> None:
        self.clock = Clock()
        self.shared = SharedBuckets(self.clock)
        self.lines = [Line(self.shared) for _ in range(processes)]
        self.limiters = [Limiter(line, self.clock) for line in self.lines]  # type: ignore[arg-type]
        for limiter in self.limiters:
            limiter._script = b"sha"
        self.rule = rule
        self.verdicts: list[tuple[float, Verdict]] = []
        self._waiting: set[asyncio.Task[None]] = set()

    async def request(self, process: int, key: str = "k") -> None:
        verdict = self.limiters[process].spend(self.rule, key)
        if verdict is not None:
            self.verdicts.append((self.clock(), verdict))
            return
        task = asyncio.create_task(self._take(process, key))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)
        await settle()

    async def _take(self, process: int, key: str) -> None:
        verdict = await self.limiters[process].take(self.rule, key)
        self.verdicts.append((self.clock(), verdict))

    async def event(self, process: int, kind: str, pause_s: float) -> None:
        self.clock.now += pause_s
        if kind == "request":
            await self.request(process)
        elif kind == "report":
            self.limiters[process].report()
        else:
            getattr(self.lines[process], kind)()
        await settle()

    async def finish(self) -> None:
        for _ in range(2):
            for limiter, line in zip(self.limiters, self.lines, strict=True):
                limiter.report()
                line.reply()
                await settle()
        assert not self._waiting

    @property
    def admitted(self) -> list[float]:
        return sorted(at for at, verdict in self.verdicts if verdict.allowed)


async def settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True, scope="module")
def patient() -> Any:
    """The limiters wait as long as the events of a test take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limiting, "STORE_TIMEOUT_S", 60)
        yield


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    asyncio.run(main())


def exact_full_at(admitted: list[float], step_s: float) -> float:
    full_at = 0.0
    for at in admitted:
        full_at = max(full_at, at) + step_s
    return full_at


# A busy machine draws the long lists slowly.
SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["request"] * 8 + ["report", "arrive", "reply", "reply"]),
        st.sampled_from([0.0] * 6 + [0.001, 0.01]),
    ),
    min_size=100,
    max_size=300,
)
LONG_EVENTS = st.lists(
    st.tuples(
        st.just(0), st.sampled_from(["request"] * 6 + ["report"]), st.sampled_from([0.0, 0.05, 0.5, 5.0])
    ),
    min_size=40,
    max_size=300,
)


@settings(SLOW, max_examples=40)
@given(
    processes=st.integers(1, 4),
    limit=st.integers(1, 120),
    window_s=st.sampled_from([10, 900]),
    events=EVENTS,
)
def test_too_many_pass_by_at_most_a_lease_of_each_other_process(
    processes: int, limit: int, window_s: int, events: list[tuple[int, str, float]]
) -> None:
    """In each interval at most: the limit, what the bucket regains, a lease of each process but one, and
    what the bucket regains while reports and answers are under way."""

    async def scenario() -> None:
        rule = Rule("r", limit, window_s)
        done = Run(processes, rule)
        # A report is due every 0.25 s; here an event stands for it, so the longest pause without one counts.
        waited_s, unreported_since = 0.0, None
        for process, kind, pause_s in events:
            await done.event(process % processes, kind, pause_s)
            spending = any(limiter._unreported for limiter in done.limiters)
            unreported_since = (unreported_since or done.clock()) if spending else None
            waited_s = max(waited_s, done.clock() - (unreported_since or done.clock()))
        await done.finish()
        lease = (processes - 1) * (limit // LEASE_SHARE)
        late_s = waited_s + 2 * done.shared.longest_delay_s
        admitted = done.admitted
        for first, start in enumerate(admitted):
            for last in range(first, len(admitted)):
                allowed = limit + lease + (admitted[last] - start + late_s) / rule.step_s
                assert last - first + 1 <= allowed + 0.01

    run(scenario)


@settings(SLOW, max_examples=40)
@given(limit=st.integers(1, 120), window_s=st.sampled_from([1, 10, 900]), events=LONG_EVENTS)
def test_one_process_is_exact(limit: int, window_s: int, events: list[tuple[int, str, float]]) -> None:
    async def scenario() -> None:
        rule = Rule("r", limit, window_s)
        done, full_at = Run(1, rule), 0.0
        for _, kind, pause_s in events:
            await done.event(0, kind, pause_s)
            done.lines[0].reply()
            await settle()
        for at, verdict in done.verdicts:
            over = max(full_at, at) + rule.step_s - window_s - at
            assert verdict.allowed is (over <= ROUNDING_S) or abs(over) < 3 * ROUNDING_S
            if verdict.allowed:
                full_at = max(full_at, at) + rule.step_s

    run(scenario)


@settings(SLOW, max_examples=30)
@given(processes=st.integers(2, 4), turns=st.lists(st.integers(0, 3), min_size=60, max_size=200))
def test_near_its_limit_a_key_is_exact_for_any_number_of_processes(processes: int, turns: list[int]) -> None:
    """A small limit leaves no lease, so each request asks the store."""

    async def scenario() -> None:
        done = Run(processes, Rule("r", 9, 3600))
        for turn in turns:
            await done.request(turn % processes)
            done.lines[turn % processes].reply()
            await settle()
        assert len(done.admitted) == 9

    run(scenario)


@pytest.mark.parametrize("processes", [2, 3, 4])
def test_in_the_worst_case_every_other_process_spends_its_lease_and_the_bucket_owes_it(
    processes: int,
) -> None:
    async def scenario() -> None:
        rule = Rule("r", 1000, 10_000)
        done = Run(processes, rule)
        for turn in range(20 * processes):
            await done.request(turn % processes)
            done.lines[turn % processes].reply()
            await settle()
        leases = [limiter._buckets.get(f"{rule.id}k").lease for limiter in done.limiters]  # type: ignore[union-attr]
        # Nothing that the others spend now reaches the store before the first has spent all there is.
        for _ in range(1100):
            await done.request(0)
            done.lines[0].reply()
            await settle()
        for process in range(1, processes):
            for _ in range(200):
                await done.request(process)
        assert len(done.admitted) > 1000 + (processes - 1) * 5
        await done.finish()

        spent = len(done.admitted)
        assert spent <= 1000 + sum(leases[1:]) <= 1000 + (processes - 1) * (1000 // LEASE_SHARE)
        done.clock.now += rule.step_s * (spent - 1000 + 1) - 0.001
        for process in range(processes):
            await done.request(process)
            done.lines[process].reply()
            await settle()
        assert len(done.admitted) == spent
        done.clock.now += 0.001
        await done.request(0)
        done.lines[0].reply()
        await settle()
        assert len(done.admitted) == spent + 1

    run(scenario)


def test_a_busy_key_asks_the_store_seldom() -> None:
    async def scenario() -> None:
        done = Run(1, Rule("r", 1_000_000, 60))
        commands = 0
        for number in range(10_000):
            done.clock.now += 0.0001
            await done.request(0)
            commands += len(done.lines[0]._sent)
            done.lines[0].reply()
            if not number % 2500:
                done.limiters[0].report()
            await asyncio.sleep(0)
        assert len(done.admitted) == 10_000
        assert commands < 40

    run(scenario)


def test_a_key_that_was_quiet_asks_the_store_again() -> None:
    async def scenario() -> None:
        done = Run(2, Rule("r", 100, 3600))
        for _ in range(6):
            await done.request(0)
            done.lines[0].reply()
            await settle()
        assert done.limiters[0].spend(done.rule, "k") is not None
        done.clock.now += bucket_state.FRESH_S + 1
        assert done.limiters[0].spend(done.rule, "k") is None

    run(scenario)


def test_a_lost_report_is_sent_again() -> None:
    async def scenario() -> None:
        done = Run(1, Rule("r", 100, 3600))
        limiter, line = done.limiters[0], done.lines[0]
        for _ in range(6):
            await done.request(0)
            line.reply()
            await settle()
        while not limiter._unreported:
            await done.request(0)
            line.reply()
            await settle()
        before = done.shared.full_at[b"%b%b" % (KEY.encode(), done.rule.id.encode() + b"k")]
        limiter.report()
        _, _, lost = line._sent.pop()
        lost.set_exception(StoreAway("lost"))
        await settle()
        assert limiter._unreported
        limiter.report()
        line.reply()
        await settle()
        assert done.shared.full_at[b"%b%b" % (KEY.encode(), done.rule.id.encode() + b"k")] > before
        assert not limiter._unreported

    run(scenario)


def test_a_flood_of_new_keys_forgets_the_flood_and_keeps_the_keys_in_use() -> None:
    forgotten: list[str] = []
    cache = BucketCache(lambda bucket: forgotten.append(bucket.id), most=100)
    rule = Rule("r", 10, 60)
    for number in range(20):
        cache.add(Bucket(rule, f"used-{number}"))
    for flood in range(5000):
        if flood % 40 == 0:
            for number in range(20):
                kept = cache.get(f"used-{number}")
                assert kept is not None
                cache.keep(kept)
        cache.add(Bucket(rule, f"flood-{flood}"))
    assert len(cache) == 100
    assert all(name.startswith("flood-") for name in forgotten)


def test_the_memory_of_a_process_alone_is_bounded_too() -> None:
    async def scenario() -> None:
        line = Line(SharedBuckets(Clock()))
        line.connected = False
        limiter = Limiter(line, Clock(), most_buckets=50)  # type: ignore[arg-type]
        for number in range(1000):
            verdict = limiter.spend(Rule("r", 10, 60), str(number))
            assert verdict is not None and verdict.allowed
        assert len(limiter._buckets) == len(limiter._unreported) == 50

    run(scenario)


@settings(SLOW, max_examples=30)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 1000), st.booleans()), max_size=30
    )
)
def test_the_real_script_does_what_the_model_does(steps: list[tuple[int, int, int, bool]]) -> None:
    """With windows of an hour, so that the time of the test itself does not matter."""
    model, rules = SharedBuckets(Clock()), [Rule(f"r{n}", limit, 3600) for n, limit in enumerate((1, 7, 20))]
    owner = uuid7().hex
    with redis.Redis.from_url(conf.redis_url()) as store:
        script = store.script_load(SCRIPT).encode()
        keys = {f"{KEY}{rule.id}{owner}" for rule in rules}
        try:
            for which, spent, age_ms, asks in steps:
                report = Report(f"{rules[which].id}{owner}", rules[which], spent, age_ms / 1000)
                other = Report(f"{rules[0].id}{owner}", rules[0], 0, 0.0)
                command = arguments(script, [report, other] if which else [report], asks=asks)
                real = answers(store.execute_command(*command))
                modelled = answers(model.run(command))
                assert [taken for taken, _ in real] == [taken for taken, _ in modelled]
                for (_, one), (_, two) in zip(real, modelled, strict=True):
                    assert one == pytest.approx(two, abs=5) or (one <= 0 and two <= 0)
        finally:
            store.delete(*keys)


def test_a_token_from_memory_costs_a_few_microseconds() -> None:
    """2 to 3 µs on a quiet machine. The bound leaves room for a busy one."""
    limiter = Limiter(Line(SharedBuckets(Clock())))  # type: ignore[arg-type]
    limiter._script = b"sha"
    rule = Rule("r", 10**9, 60)
    bucket = limiter._add(rule, "k")
    bucket.lease, bucket.half_lease, bucket.learned_at = 10**6, 10**6, time.monotonic()

    best = min(timeit.repeat(lambda: limiter.spend(rule, "k"), number=1000, repeat=20)) / 1000

    assert bucket.spent == 20_000
    assert best < 20e-6
