"""Invariants: a heartbeat asks nobody and is not lost; reads go on while the database is away, and
say so; several processes agree."""

import asyncio
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from atoll.errors import Unavailable
from registry.constants import LEASE
from registry.http import beats as beats_module
from registry.http import calls as calls_module
from registry.http import hub as hub_module
from registry.http.app import RegistryApplication
from registry.http.beats import FLUSH_S, Beats
from registry.http.board import Board
from registry.http.calls import HEARTBEAT_S
from registry.http.lanes import WRITES
from registry.models import Event, Instance, Lease, Service
from registry.selectors import Answer
from registry.tests.conftest import SERVICE, Wire, offer
from registry.tests.test_watching import LONG_S, SOON_S, World, until
from registry.usecases.deregister import deregister
from registry.usecases.discover import discover
from registry.usecases.drain import drain
from registry.usecases.register import register
from registry.usecases.renew import Beat, renew

NAMED = {"serviceName": SERVICE, "instanceId": "o-1"}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def pk(instance_id="o-1"):
    return Instance.objects.get(instance_id=instance_id).pk


def lease(instance_id="o-1"):
    return Lease.objects.annotate(now=Now()).get(instance__instance_id=instance_id)


def ends_at(instance_id="o-1"):
    return lease(instance_id).expires_at


def test_what_a_crash_loses_is_well_within_a_lease():
    assert LEASE.total_seconds() - HEARTBEAT_S > FLUSH_S + 2 * HEARTBEAT_S


@pytest.mark.django_db
def test_a_lease_counts_from_the_beat_and_not_from_its_writing(put, silence):
    put("o-1")
    silence("o-1", seconds=50)

    begun = lease().now
    assert renew({pk(): Beat(0, age_s=20)}) == set()
    renewed = lease()
    assert renewed.expires_at - renewed.beat_at == LEASE
    assert begun <= renewed.beat_at + timedelta(seconds=20) <= renewed.now
    renew({pk(): Beat(0, age_s=45)})
    assert ends_at() == renewed.expires_at, "an older beat shortens nothing"


@pytest.mark.django_db
def test_a_beat_of_another_life_or_of_one_that_left_renews_nothing(put, silence):
    put("o-1", incarnation=7)
    put("o-2")
    gone = pk("o-2")
    deregister(SERVICE, "o-2", actor="test")
    silence("o-1", seconds=50)
    before = ends_at()

    assert renew({pk(): Beat(6, 0), gone: Beat(0, 0)}) == set()
    assert ends_at() == before
    renew({pk(): Beat(7, 0)})
    assert ends_at() > before


@pytest.mark.django_db
def test_many_that_beat_again_cost_one_walk_over_their_service(put, silence, monkeypatch):
    names = [f"o-{number}" for number in range(20)]
    for name in ["alive", *names]:
        put(name)
    for name in names:
        silence(name, seconds=61)
    discover(SERVICE)
    walks = []
    settle = beats_module.settle
    monkeypatch.setattr(beats_module, "settle", lambda pk: (walks.append(pk), settle(pk)))
    beats = Beats()
    for name in names:
        beats.add(pk(name), 0, urgent=True)
    index = discover(SERVICE).index
    beats.flush()

    assert walks == [Service.objects.get().pk]
    assert discover(SERVICE).index == index + 1
    assert Event.objects.filter(kind=Event.Kind.RECOVERED).count() == 20


@pytest.mark.django_db
def test_beats_that_cannot_be_written_are_kept_and_written_later(put, silence, monkeypatch):
    put("o-1")
    silence("o-1", seconds=50)
    before = ends_at()
    beats = Beats()
    beats.add(pk(), 0, urgent=False)

    def away(_):
        raise OperationalError("away")

    monkeypatch.setattr(beats_module, "renew", away)
    with pytest.raises(OperationalError):
        beats.flush()
    assert ends_at() == before
    monkeypatch.setattr(beats_module, "renew", renew)
    beats.flush()
    assert ends_at() > before


def test_a_heartbeat_is_answered_from_memory_and_written_soon(wire, silence):
    async def story():
        application = wire.application
        await WRITES.run(register, SERVICE, offer("o-1"), actor="test")
        assert (await wire("GET", f"/discover/{SERVICE}")).status == 200
        await WRITES.run(silence, "o-1", seconds=50)
        before = await WRITES.run(ends_at)
        application.board._read = None  # nobody is asked
        assert (await wire("POST", "/heartbeat", NAMED)).body == {"status": "ok"}
        assert await WRITES.run(ends_at) == before
        await WRITES.run(application.beats.flush)
        assert await WRITES.run(ends_at) > before

    asyncio.run(story())


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

        monkeypatch.setattr(application.board, "_read", nothing)
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

        board = Board(read, Beats(), clock=clock)
        assert (await board.answer(SERVICE)).stale_s is None
        clock.now += 7
        async with asyncio.timeout(SOON_S):
            for _ in range(100):
                answer = await board.answer(SERVICE)
        assert (answer.index, answer.stale_s) == (2, 7.0)
        gate.set()

    asyncio.run(story())


def test_what_memory_holds_is_told_without_a_look_until_it_changes_or_a_lease_may_be_over():
    async def story():
        clock, looks = Clock(), []

        async def read(_):
            looks.append(clock.now)
            return Answer(len(looks), [], 30.0)

        board = Board(read, Beats(), clock=clock)
        board.is_listening = True
        for _ in range(10):
            await board.answer(SERVICE)
        assert len(looks) == 1
        board.mark(SERVICE)
        assert (await board.answer(SERVICE)).index == 2
        clock.now += 29.9
        assert (await board.answer(SERVICE)).index == 2
        clock.now += 0.1
        assert (await board.answer(SERVICE)).index == 3
        board.is_listening = False
        assert (await board.answer(SERVICE)).index == 4

    asyncio.run(story())


def test_a_change_that_could_not_be_read_when_it_was_told_reaches_who_waits_all_the_same(monkeypatch):
    monkeypatch.setattr(hub_module, "LOOK_AGAIN_S", 0.01)

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
        world.hub._mark = marked.append
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


@pytest.fixture
def pair(wire):
    """Two processes of the registry at one database."""
    other = Wire(RegistryApplication(wire.application._django))
    other.application.failures.late_s = 0.0
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
            await until(lambda each=each: each.application.board.is_listening)
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
            await until(lambda each=each: each.application.board._entries.get(SERVICE))
        await WRITES.run(silence, "o-1", seconds=50)
        before = await WRITES.run(ends_at)
        assert (await one("POST", "/heartbeat", NAMED)).status == 200
        other.application.board.mark(SERVICE)
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
        board = Board(read, Beats())
        assert board.beat(SERVICE, "o-1", 7) is None, "nothing is known yet"
        await board.answer(SERVICE)
        assert board.beat(SERVICE, "o-1", 7) == "ok"
        assert board.beat(SERVICE, "o-1", 0) == "ok"
        assert board.beat(SERVICE, "o-1", 8) is None
        assert board.beat(SERVICE, "o-2", 7) is None
        board.forget(SERVICE, "o-1")
        assert board.beat(SERVICE, "o-1", 7) is None

    asyncio.run(story())
