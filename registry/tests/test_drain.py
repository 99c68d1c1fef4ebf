"""Invariant: after a drain is confirmed, no answer has the instance."""

import pytest

from registry.models import Instance, JournalEntry
from registry.tests.conftest import SERVICE
from registry.usecases.discover import discover
from registry.usecases.drain import drain, undrain
from registry.usecases.heartbeat import heartbeat

pytestmark = pytest.mark.django_db


def only(instance_id):
    return Instance.objects.get(instance_id=instance_id)


def healthy():
    return [instance["id"] for instance in discover(SERVICE).instances]


def test_a_drained_instance_leaves_the_answer_at_once_and_hears_it_with_its_next_beat(put):
    put("o-1")
    put("o-2")

    assert drain(only("o-1"), actor="ada@example.com")

    assert healthy() == ["o-2"]
    assert heartbeat(SERVICE, "o-1") == "draining"
    assert heartbeat(SERVICE, "o-2") == "ok"
    entry = JournalEntry.objects.get(kind=JournalEntry.Kind.DRAINED)
    assert (entry.instance_id, entry.actor) == ("o-1", "ada@example.com")


def test_registering_again_does_not_undo_the_operator(put):
    put("o-1", incarnation=1)
    drain(only("o-1"), actor="ada")
    put("o-1", incarnation=2)

    assert healthy() == []
    assert heartbeat(SERVICE, "o-1", 2) == "draining"


def test_an_undrained_instance_is_back(put):
    put("o-1")
    drain(only("o-1"), actor="ada")

    assert undrain(only("o-1"), actor="ada")
    assert healthy() == ["o-1"]
    assert heartbeat(SERVICE, "o-1") == "ok"


def test_draining_twice_is_told_once(put):
    put("o-1")
    drain(only("o-1"), actor="ada")

    assert not drain(only("o-1"), actor="ada")
    assert JournalEntry.objects.filter(kind=JournalEntry.Kind.DRAINED).count() == 1
