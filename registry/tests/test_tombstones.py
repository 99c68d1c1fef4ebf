"""Invariant: no late request of an ended incarnation makes it visible again."""

from datetime import timedelta

import pytest
from django.db.models import F

from atoll.errors import Conflict, NotFound
from registry.models import JournalEntry, Tombstone
from registry.tests.conftest import SERVICE
from registry.usecases.deregister import deregister
from registry.usecases.discover import discover
from registry.usecases.heartbeat import heartbeat

pytestmark = pytest.mark.django_db


def leave(instance_id="o-1", incarnation=0):
    deregister(SERVICE, instance_id, incarnation, actor="test")


def test_an_instance_that_left_is_gone_at_once(put):
    put("o-1")
    put("o-2")
    leave("o-1")

    assert [instance["id"] for instance in discover(SERVICE).instances] == ["o-2"]


@pytest.mark.parametrize("incarnation", [0, 5])
def test_a_late_heartbeat_does_not_bring_it_back(put, incarnation):
    put("o-1", incarnation=5)
    leave("o-1", 5)

    with pytest.raises(NotFound):
        heartbeat(SERVICE, "o-1", incarnation)
    assert discover(SERVICE).instances == []


@pytest.mark.parametrize("incarnation", [5, 4])
def test_a_late_registration_of_the_same_or_an_earlier_life_does_not_bring_it_back(put, incarnation):
    put("o-1", incarnation=5)
    leave("o-1", 5)
    index = discover(SERVICE).index

    with pytest.raises(Conflict) as refusal:
        put("o-1", incarnation=incarnation)

    assert refusal.value.code == "instance_deregistered"
    assert discover(SERVICE).instances == []
    assert discover(SERVICE).index == index
    assert JournalEntry.objects.filter(kind=JournalEntry.Kind.REFUSED).count() == 1


def test_a_registration_that_was_overtaken_by_its_own_farewell_is_refused(put):
    put("o-2")
    leave("o-1", 5)

    with pytest.raises(Conflict):
        put("o-1", incarnation=5)
    assert [instance["id"] for instance in discover(SERVICE).instances] == ["o-2"]


def test_the_next_life_may_register_and_only_then_is_the_grave_gone(put):
    put("o-1", incarnation=5)
    leave("o-1", 5)
    put("o-1", incarnation=6)

    assert len(discover(SERVICE).instances) == 1
    assert Tombstone.objects.count() == 0


def test_an_instance_without_numbered_lives_may_return_after_the_quarantine(put):
    put("o-1")
    leave("o-1")
    with pytest.raises(Conflict):
        put("o-1")

    Tombstone.objects.update(buried_at=F("buried_at") - timedelta(seconds=61))
    put("o-1")

    assert len(discover(SERVICE).instances) == 1


def test_leaving_twice_is_the_same_as_once(put):
    put("o-1", incarnation=5)
    leave("o-1", 5)
    index, buried_at = discover(SERVICE).index, Tombstone.objects.get().buried_at
    leave("o-1", 5)

    assert discover(SERVICE).index == index
    assert Tombstone.objects.get().buried_at == buried_at
    assert JournalEntry.objects.filter(kind=JournalEntry.Kind.DEREGISTERED).count() == 1


def test_a_stranger_without_a_number_cannot_leave(put):
    put("o-1")

    with pytest.raises(NotFound):
        leave("o-9")
    assert Tombstone.objects.count() == 0
