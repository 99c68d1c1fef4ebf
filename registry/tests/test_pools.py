"""Invariant: a full pool sheds calls at once, and does no work for a caller that has gone."""

import asyncio
import threading

import pytest

from registry.http.pools import MAX_IN_TURN, BoundedPool, Overloaded
from registry.tests.test_watching import until

SOON_S = 20.0


@pytest.fixture
def pool():
    pool = BoundedPool("test", threads=1, waiting=2, patience_s=30.0)
    yield pool
    pool.close()


class Work:
    """Work that runs until the test releases it. It counts its starts."""

    def __init__(self):
        self.begun = 0
        self.go = threading.Event()

    def __call__(self, result=None):
        self.begun += 1
        assert self.go.wait(SOON_S)
        return result


def test_a_full_pool_refuses_the_next_at_once_and_does_the_others_in_order(pool):
    async def story():
        work = Work()
        calls = [asyncio.ensure_future(pool.run(work, number)) for number in range(3)]
        await until(lambda: work.begun == 1)
        async with asyncio.timeout(SOON_S):
            with pytest.raises(Overloaded):
                await pool.run(work)
        work.go.set()
        assert await asyncio.gather(*calls) == [0, 1, 2]
        assert work.begun == 3

    asyncio.run(story())


def test_a_call_whose_caller_has_gone_is_never_begun(pool):
    async def story():
        work = Work()
        first = asyncio.ensure_future(pool.run(work))
        await until(lambda: work.begun == 1)
        gone = asyncio.ensure_future(pool.run(work))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        work.go.set()
        await first
        await pool.run(work)
        assert work.begun == 2

    asyncio.run(story())


def test_a_call_that_is_not_answered_in_time_is_told_so_and_its_thread_stays_counted():
    pool = BoundedPool("test", threads=1, waiting=2, patience_s=0.05)

    async def story():
        work = Work()
        with pytest.raises(Overloaded):
            await pool.run(work)
        await until(lambda: work.begun == 1)
        with pytest.raises(Overloaded):
            await pool.run(work)
        assert work.begun == 1, "the second never got the thread that hangs"
        work.go.set()
        await until(lambda: pool._free == 1)
        assert await pool.run(lambda: "again") == "again"

    asyncio.run(story())
    pool.close()


def test_one_key_takes_one_thread_and_leaves_the_others_to_its_neighbours():
    pool = BoundedPool("test", threads=2, waiting=100, patience_s=30.0)

    async def story():
        work = Work()
        flood = [asyncio.ensure_future(pool.run_in_turn("flooder", work)) for _ in range(MAX_IN_TURN + 1)]
        await until(lambda: work.begun == 1)
        with pytest.raises(Overloaded):
            await pool.run_in_turn("flooder", work)
        async with asyncio.timeout(SOON_S):
            assert await pool.run_in_turn("neighbour", lambda: "done") == "done"
        assert work.begun == 1
        work.go.set()
        await asyncio.gather(*flood)
        assert pool._turns == {}

    asyncio.run(story())
    pool.close()
