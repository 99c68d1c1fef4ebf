"""Invariant: reads and heartbeats go on while the database is away, and answers carry their age."""

import asyncio

import pytest
from django.db import OperationalError

from atoll.errors import Unavailable
from registry.http import calls as calls_module
from registry.http import hub as hub_module
from registry.http.beats import Beats
from registry.http.pools import WRITES
from registry.http.state import RegistryState
from registry.selectors import Answer
from registry.tests.conftest import SERVICE, offer
from registry.tests.test_watching import LONG_S, SOON_S, World, until
from registry.usecases.register import register

NAMED = {"serviceName": SERVICE, "instanceId": "o-1"}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def away(*_):
    raise OperationalError("away")


def test_while_the_database_is_away_reads_and_beats_go_on_and_say_how_old_they_are(wire, monkeypatch):
    async def story():
        application = wire.application
        await WRITES.run(register, SERVICE, offer("o-1"), actor="test")
        before = await wire("GET", f"/discover/{SERVICE}")
        assert "x-registry-stale" not in before.headers

        async def nothing(service):
            away()

        monkeypatch.setattr(application.state, "_read", nothing)
        monkeypatch.setattr(calls_module, "services_page", away)
        async with asyncio.timeout(SOON_S):
            after = await wire("GET", f"/discover/{SERVICE}")
            listed = await wire("GET", "/services")
            beat = await wire("POST", "/heartbeat", NAMED)
            unknown = await wire("GET", "/discover/user-service")
            ahead = await wire("GET", f"/discover/{SERVICE}", index=before.index + 1, wait=LONG_S)
        assert (after.status, after.body, after.index) == (200, before.body, before.index)
        assert float(after.headers["x-registry-stale"]) >= 0
        assert listed.status == 200
        assert "x-registry-stale" in listed.headers
        assert [one["id"] for one in listed.body[0]["instances"]] == ["o-1"]
        assert beat.body == {"status": "ok"}
        assert (unknown.status, ahead.status) == (503, 503)

    asyncio.run(story())


def test_a_database_that_hangs_holds_nobody_up(put):
    async def story():
        clock, gate = Clock(), asyncio.Event()
        answers = [Answer(2, [{"id": "o-1"}], None)]

        async def read(_):
            if not answers:
                await gate.wait()
            return answers.pop()

        state = RegistryState(read, Beats(), clock=clock)
        assert (await state.answer(SERVICE)).stale_s is None
        clock.now += 7
        async with asyncio.timeout(SOON_S):
            for _ in range(100):
                answer = await state.answer(SERVICE)
        assert (answer.index, answer.stale_s) == (2, 7.0)
        gate.set()

    asyncio.run(story())


def test_what_memory_holds_is_told_without_a_look_until_it_changes_or_a_lease_may_be_over():
    async def story():
        clock, looks = Clock(), []

        async def read(_):
            looks.append(clock.now)
            return Answer(len(looks), [], 30.0)

        state = RegistryState(read, Beats(), clock=clock)
        state.is_listening = True
        for _ in range(10):
            await state.answer(SERVICE)
        assert len(looks) == 1
        state.invalidate(SERVICE)
        assert (await state.answer(SERVICE)).index == 2
        clock.now += 29.9
        assert (await state.answer(SERVICE)).index == 2
        clock.now += 0.1
        assert (await state.answer(SERVICE)).index == 3
        state.is_listening = False
        assert (await state.answer(SERVICE)).index == 4

    asyncio.run(story())


def test_a_change_that_could_not_be_read_when_it_was_told_reaches_who_waits_all_the_same(monkeypatch):
    monkeypatch.setattr(hub_module, "READ_AGAIN_S", 0.01)

    async def story():
        answers = [Answer(1, [], None), Answer(1, [], None, stale_s=3.0), Answer(2, [], None)]
        hub = hub_module.Hub(lambda service: _now(answers.pop(0) if len(answers) > 1 else answers[0]))
        hub.is_listening = True
        watcher = asyncio.ensure_future(hub.answer(SERVICE, index=1, wait_s=LONG_S))
        await until(lambda: len(answers) == 2)
        hub.wake(SERVICE)  # told once, while the database hangs
        async with asyncio.timeout(SOON_S):
            assert (await watcher).index == 2

    asyncio.run(story())


async def _now(answer):
    return answer


def test_a_caller_that_knows_more_than_this_process_makes_it_look():
    async def story():
        world = World()
        marked = []
        world.hub._invalidate = marked.append
        assert (await world.watch(3)).index == 1
        assert marked == [SERVICE]

    asyncio.run(story())


def test_only_so_many_calls_wait_and_the_next_is_told_to_come_later(monkeypatch):
    monkeypatch.setattr(hub_module, "MAX_WAITING_OF_ONE", 2)
    monkeypatch.setattr(hub_module, "MAX_WAITING", 3)

    async def story():
        world = World()

        def waiting(caller):
            return asyncio.ensure_future(world.hub.answer(SERVICE, index=1, wait_s=LONG_S, caller=caller))

        held = [waiting("a"), waiting("a")]
        await until(lambda: world.hub.watchers == 2)
        with pytest.raises(Unavailable):
            await waiting("a")
        held.append(waiting("b"))
        await until(lambda: world.hub.watchers == 3)
        with pytest.raises(Unavailable):
            await waiting("c")
        world.hub.close()
        assert {answer.index for answer in await asyncio.gather(*held)} == {1}
        assert world.hub._waiting_of == {}

    asyncio.run(story())
