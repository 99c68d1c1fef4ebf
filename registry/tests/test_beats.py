"""Invariant: memory accepts a heartbeat, and no heartbeat is lost before it is written."""

import asyncio
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from registry.constants import LEASE
from registry.http import beats as beats_module
from registry.http.beats import FLUSH_S, Beats
from registry.http.calls import HEARTBEAT_S
from registry.http.pools import WRITES
from registry.models import Instance, JournalEntry, Lease, Service
from registry.tests.conftest import SERVICE, offer
from registry.usecases.deregister import deregister
from registry.usecases.discover import discover
from registry.usecases.register import register
from registry.usecases.renew import Beat, renew

NAMED = {"serviceName": SERVICE, "instanceId": "o-1"}


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
    refresh_index = beats_module.refresh_index
    monkeypatch.setattr(beats_module, "refresh_index", lambda pk: (walks.append(pk), refresh_index(pk)))
    beats = Beats()
    for name in names:
        beats.add(pk(name), 0, urgent=True)
    index = discover(SERVICE).index
    beats.flush()

    assert walks == [Service.objects.get().pk]
    assert discover(SERVICE).index == index + 1
    assert JournalEntry.objects.filter(kind=JournalEntry.Kind.RECOVERED).count() == 20


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
        application.state._read = None  # nobody is asked
        assert (await wire("POST", "/heartbeat", NAMED)).body == {"status": "ok"}
        assert await WRITES.run(ends_at) == before
        await WRITES.run(application.beats.flush)
        assert await WRITES.run(ends_at) > before

    asyncio.run(story())
