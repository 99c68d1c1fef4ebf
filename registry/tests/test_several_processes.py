"""Invariant: several processes of the registry at one database agree within a moment."""

import asyncio

import pytest

from registry.http.app import RegistryApplication
from registry.http.beats import Beats
from registry.http.pools import WRITES
from registry.http.state import RegistryState
from registry.models import Instance
from registry.tests.conftest import SERVICE, Wire, offer
from registry.tests.test_beats import ends_at
from registry.tests.test_watching import SOON_S, until
from registry.usecases.discover import discover
from registry.usecases.drain import drain
from registry.usecases.register import register

NAMED = {"serviceName": SERVICE, "instanceId": "o-1"}


@pytest.fixture
def pair(wire):
    """Two processes of the registry at one database."""
    other = Wire(RegistryApplication(wire.application._django))
    other.application.wrong_credentials.late_s = 0.0
    return wire, other


async def soon(call, is_right):
    async with asyncio.timeout(SOON_S):
        while not is_right(answered := await call()):
            await asyncio.sleep(0.005)
    return answered


def test_what_one_process_is_told_the_other_knows_in_a_moment(pair):
    one, other = pair
    body = {"serviceName": SERVICE, "instance": {"id": "o-1", "host": "127.0.0.1", "port": 8002}}

    def discovered():
        return other("GET", f"/discover/{SERVICE}")

    def beaten():
        return other("POST", "/heartbeat", NAMED)

    async def story():
        for each in pair:
            each.application.start()
        for each in pair:
            await until(lambda each=each: each.application.state.is_listening)
        assert (await one("POST", "/register", body)).status == 201
        await soon(discovered, lambda answered: len(answered.body) == 1)
        assert (await beaten()).body == {"status": "ok"}
        await WRITES.run(lambda: drain(Instance.objects.get(), actor="ada"))
        await soon(beaten, lambda answered: answered.body == {"status": "draining"})
        assert (await one("POST", "/deregister", NAMED)).status == 200
        await soon(beaten, lambda answered: answered.status == 404)
        assert (await one("POST", "/heartbeat", NAMED)).status == 404, "the one that was told, at once"
        assert (await discovered()).body == []
        for each in pair:
            await each.application.stop()

    asyncio.run(story())


def test_a_beat_at_one_process_keeps_the_instance_in_the_answers_of_the_other(pair, silence):
    one, other = pair

    async def story():
        await WRITES.run(register, SERVICE, offer("o-1"), actor="test")
        await WRITES.run(register, SERVICE, offer("o-2"), actor="test")
        for each in pair:
            each.application.start()
        for each in pair:
            await until(lambda each=each: each.application.state._entries.get(SERVICE))
        await WRITES.run(silence, "o-1", seconds=50)
        before = await WRITES.run(ends_at)
        assert (await one("POST", "/heartbeat", NAMED)).status == 200
        other.application.state.invalidate(SERVICE)
        await one.application.stop()  # what it accepted is written before it goes
        assert await WRITES.run(ends_at) > before
        await other.application.stop()

    asyncio.run(story())


@pytest.mark.django_db
def test_a_life_that_was_registered_at_another_process_is_asked_of_the_database(put):
    put("o-1", incarnation=7)
    answer = discover(SERVICE)

    async def read(_):
        return answer

    async def story():
        state = RegistryState(read, Beats())
        assert state.beat(SERVICE, "o-1", 7) is None, "nothing is known yet"
        await state.answer(SERVICE)
        assert state.beat(SERVICE, "o-1", 7) == "ok"
        assert state.beat(SERVICE, "o-1", 0) == "ok"
        assert state.beat(SERVICE, "o-1", 8) is None
        assert state.beat(SERVICE, "o-2", 7) is None
        state.forget(SERVICE, "o-1")
        assert state.beat(SERVICE, "o-1", 7) is None

    asyncio.run(story())
