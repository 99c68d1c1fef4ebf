"""Invariant: overload is shed at once, and what nobody waits for is not done."""

import asyncio
import threading

import pytest

from registry.http.lanes import MAX_IN_TURN, Lane, Overloaded
from registry.tests.test_watching import until

SOON_S = 5.0


@pytest.fixture
def lane():
    lane = Lane("test", threads=1, waiting=2, patience_s=30.0)
    yield lane
    lane.close()


class Work:
    """Something that takes until it is let go; counts how often it began."""

    def __init__(self):
        self.begun = 0
        self.go = threading.Event()

    def __call__(self, result=None):
        self.begun += 1
        assert self.go.wait(SOON_S)
        return result


def test_a_full_lane_refuses_the_next_at_once_and_does_the_others_in_order(lane):
    async def story():
        work = Work()
        calls = [asyncio.ensure_future(lane.run(work, number)) for number in range(3)]
        await until(lambda: work.begun == 1)
        async with asyncio.timeout(SOON_S):
            with pytest.raises(Overloaded):
                await lane.run(work)
        work.go.set()
        assert await asyncio.gather(*calls) == [0, 1, 2]
        assert work.begun == 3

    asyncio.run(story())


def test_a_call_whose_caller_has_gone_is_never_begun(lane):
    async def story():
        work = Work()
        first = asyncio.ensure_future(lane.run(work))
        await until(lambda: work.begun == 1)
        gone = asyncio.ensure_future(lane.run(work))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        work.go.set()
        await first
        await lane.run(work)
        assert work.begun == 2

    asyncio.run(story())


def test_a_call_that_is_not_answered_in_time_is_told_so_and_its_thread_stays_counted():
    lane = Lane("test", threads=1, waiting=2, patience_s=0.05)

    async def story():
        work = Work()
        with pytest.raises(Overloaded):
            await lane.run(work)
        await until(lambda: work.begun == 1)
        with pytest.raises(Overloaded):
            await lane.run(work)
        assert work.begun == 1, "the second never got the thread that hangs"
        work.go.set()
        await until(lambda: lane._free == 1)
        assert await lane.run(lambda: "again") == "again"

    asyncio.run(story())
    lane.close()


def test_one_key_takes_one_thread_and_leaves_the_others_to_its_neighbours():
    lane = Lane("test", threads=2, waiting=100, patience_s=30.0)

    async def story():
        work = Work()
        flood = [asyncio.ensure_future(lane.run_in_turn("flooder", work)) for _ in range(MAX_IN_TURN + 1)]
        await until(lambda: work.begun == 1)
        with pytest.raises(Overloaded):
            await lane.run_in_turn("flooder", work)
        async with asyncio.timeout(SOON_S):
            assert await lane.run_in_turn("neighbour", lambda: "done") == "done"
        assert work.begun == 1
        work.go.set()
        await asyncio.gather(*flood)
        assert lane._turns == {}

    asyncio.run(story())
    lane.close()
