"""Invariant: a watcher gets the final state soon, and misses no change."""

import asyncio
import threading

import pytest
from django.db import connection

from registry.http import pools
from registry.http.hub import Hub
from registry.models import Instance
from registry.selectors import Answer
from registry.tests.conftest import SERVICE, offer
from registry.usecases.deregister import deregister
from registry.usecases.discover import discover
from registry.usecases.drain import drain
from registry.usecases.heartbeat import heartbeat
from registry.usecases.register import register

LONG_S = 30.0
SOON_S = 20.0


async def until(condition):
    async with asyncio.timeout(SOON_S):
        while not condition():
            await asyncio.sleep(0.005)


class World:
    """A service with an index that the test moves. Reads pass a gate that the test can close."""

    def __init__(self, *, valid_s=None):
        self.index = 1
        self.looks = 0
        self.valid_s = valid_s
        self.gate = asyncio.Event()
        self.gate.set()
        self.hub = Hub(self.look)
        self.hub.is_listening = True

    async def look(self, service):
        self.looks += 1
        seen = Answer(self.index, [{"id": str(self.index)}], self.valid_s)
        await self.gate.wait()
        return seen

    def watch(self, index=1, wait_s=LONG_S):
        return asyncio.ensure_future(self.hub.answer(SERVICE, index=index, wait_s=wait_s))

    def change(self):
        self.index += 1
        self.hub.wake(SERVICE)


def test_without_an_index_the_answer_comes_at_once():
    async def story():
        answer = await World().hub.answer(SERVICE, wait_s=LONG_S)
        assert answer.index == 1

    asyncio.run(story())


@pytest.mark.parametrize("index", [3, 99])
def test_an_index_that_is_not_the_current_one_is_answered_at_once_also_when_it_is_higher(index):
    async def story():
        async with asyncio.timeout(SOON_S):
            assert (await World().watch(index)).index == 1

    asyncio.run(story())


def test_a_parked_watcher_hears_of_a_change_and_not_of_its_absence():
    async def story():
        world = World()
        watcher = world.watch()
        await until(lambda: world.hub.watchers == 1 and world.looks == 1)
        world.hub.wake(SERVICE)
        await until(lambda: world.looks == 2)
        assert not watcher.done()
        world.change()
        assert (await watcher).index == 2
        assert world.hub.watchers == 0

    asyncio.run(story())


def test_a_change_between_looking_and_parking_is_not_lost():
    async def story():
        world = World()
        world.gate.clear()
        watcher = world.watch()
        await until(lambda: world.looks == 1)
        world.change()  # the look under way has seen the old index
        world.gate.set()
        async with asyncio.timeout(SOON_S):
            assert (await watcher).index == 2

    asyncio.run(story())


def test_a_watcher_that_comes_while_another_looks_does_not_trust_that_look():
    async def story():
        world = World()
        world.gate.clear()
        first = world.watch(wait_s=0.05)
        await until(lambda: world.looks == 1)
        world.index = 2  # changed, and told, before the second one enlists
        second = world.watch()
        await until(lambda: world.hub.watchers == 2)
        world.gate.set()
        assert (await second).index == 2
        assert (await first).index in {1, 2}

    asyncio.run(story())


def test_a_hundred_watchers_of_one_change_cost_a_look_or_two():
    async def story():
        world = World()
        watchers = [world.watch() for _ in range(100)]
        await until(lambda: world.hub.watchers == 100 and world.looks > 0)
        before = world.looks
        world.change()
        assert {answer.index for answer in await asyncio.gather(*watchers)} == {2}
        assert world.looks - before <= 2

    asyncio.run(story())


def test_when_the_time_is_up_the_same_answer_comes_again():
    async def story():
        answer = await World().watch(wait_s=0.02)
        assert (answer.index, answer.instances) == (1, [{"id": "1"}])

    asyncio.run(story())


def test_a_lease_that_may_have_run_out_is_looked_at_without_anybody_waking():
    async def story():
        world = World(valid_s=0.01)
        watcher = world.watch()
        await until(lambda: world.looks >= 1)
        world.index = 2
        async with asyncio.timeout(SOON_S):
            assert (await watcher).index == 2

    asyncio.run(story())


def test_closing_answers_everyone_who_waits():
    async def story():
        world = World()
        watcher = world.watch()
        await until(lambda: world.hub.watchers == 1 and world.looks == 1)
        world.hub.close()
        assert (await watcher).index == 1

    asyncio.run(story())


async def index_once_heard(wire):
    """The index of the answer with o-1. A change by another process arrives a moment later."""
    async with asyncio.timeout(SOON_S):
        while not (answered := await wire("GET", f"/discover/{SERVICE}")).body:
            await asyncio.sleep(0.005)
    return answered.index


CHANGES = {
    "a new instance": lambda: register(SERVICE, offer("o-2"), actor="test"),
    "a drain": lambda: drain(Instance.objects.get(), actor="test"),
    "a farewell": lambda: deregister(SERVICE, "o-1", actor="test"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_made_by_another_process_reaches_a_parked_request(wire, change):
    async def story():
        wire.application.start()
        await until(lambda: wire.application.hub.is_listening)
        await pools.WRITES.run(register, SERVICE, offer("o-1"), actor="test")
        index = await index_once_heard(wire)
        watcher = asyncio.ensure_future(wire("GET", f"/discover/{SERVICE}", index=index, wait=LONG_S))
        await until(lambda: wire.application.hub.watchers == 1)
        await pools.WRITES.run(heartbeat, SERVICE, "o-1")
        await pools.WRITES.run(CHANGES[change])
        async with asyncio.timeout(SOON_S):
            answered = await watcher
        assert answered.index == index + 1
        assert answered.body == (await pools.WRITES.run(discover, SERVICE)).instances
        await wire.application.stop()

    asyncio.run(story())


def session_of_this_thread():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def cut_every_session_but(spared):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid NOT IN (%s, pg_backend_pid())",
            [spared],
        )


def test_changes_are_heard_again_after_the_database_cut_the_listening_session(wire):
    spared = session_of_this_thread()

    async def story():
        wire.application.start()
        hub = wire.application.hub
        await until(lambda: hub.is_listening)
        await pools.WRITES.run(register, SERVICE, offer("o-1"), actor="test")
        index = await index_once_heard(wire)
        await pools.WRITES.run(cut_every_session_but, spared)
        await until(lambda: not hub.is_listening)
        await until(lambda: hub.is_listening)
        watcher = asyncio.ensure_future(wire("GET", f"/discover/{SERVICE}", index=index, wait=LONG_S))
        await until(lambda: hub.watchers == 1)
        await pools.WRITES.run(register, SERVICE, offer("o-2"), actor="test")
        async with asyncio.timeout(SOON_S):
            assert (await watcher).index == index + 1
        await wire.application.stop()

    asyncio.run(story())


def test_waiting_requests_hold_no_thread(wire):
    async def story():
        await pools.WRITES.run(register, SERVICE, offer("o-1"), actor="test")
        index = await index_once_heard(wire)
        wire.application.hub.is_listening = True
        watchers = [
            asyncio.ensure_future(wire("GET", f"/discover/{SERVICE}", index=index, wait=LONG_S))
            for _ in range(50)
        ]
        await until(lambda: wire.application.hub.watchers == 50)
        calling = [thread for thread in threading.enumerate() if thread.name.startswith("registry")]
        assert len(calling) <= sum(pool.threads for pool in pools.ALL)
        wire.application.hub.close()
        assert {answered.index for answered in await asyncio.gather(*watchers)} == {index}

    asyncio.run(story())


def test_a_client_that_leaves_is_no_longer_waited_for(wire):
    async def story():
        await pools.WRITES.run(register, SERVICE, offer("o-1"), actor="test")
        index = await index_once_heard(wire)
        wire.application.hub.is_listening = True
        leaves = asyncio.Event()
        watcher = asyncio.ensure_future(
            wire("GET", f"/discover/{SERVICE}", index=index, wait=LONG_S, leaves=leaves)
        )
        await until(lambda: wire.application.hub.watchers == 1)
        leaves.set()
        assert (await watcher).status == 0
        assert wire.application.hub.watchers == 0

    asyncio.run(story())
