"""Invariant: an acknowledged registration is in the answer until the instance leaves or falls silent."""

import pytest

from atoll.errors import Conflict, NotFound, Unprocessable
from registry import constants
from registry.models import Instance, JournalEntry, Lease
from registry.tests.conftest import SERVICE
from registry.usecases import register as register_module
from registry.usecases.deregister import deregister
from registry.usecases.discover import discover
from registry.usecases.heartbeat import heartbeat

pytestmark = pytest.mark.django_db


def test_a_registered_instance_is_discovered_as_it_described_itself(put):
    put("o-1", metadata={"version": "3", "zone": "a", "weight": 2})

    assert discover(SERVICE).instances == [
        {
            "id": "o-1",
            "host": "10.0.0.7",
            "port": 8002,
            "metadata": {"version": "3", "zone": "a", "weight": 2},
        }
    ]


def test_a_named_host_is_told_with_the_address_it_had_when_it_registered(put):
    put("o-1", host="localhost", address="127.0.0.1")

    (instance,) = discover(SERVICE).instances
    assert (instance["host"], instance["address"]) == ("localhost", "127.0.0.1")


def test_registering_again_replaces_the_description_and_keeps_one_instance(put):
    assert put("o-1", port=8002).is_new
    assert not put("o-1", port=8102).is_new

    assert [instance["port"] for instance in discover(SERVICE).instances] == [8102]
    assert Instance.objects.count() == Lease.objects.count() == 1


def test_instances_of_other_services_stay_out_of_the_answer(put):
    put("o-1")
    put("u-1", service="user-service")

    assert [instance["id"] for instance in discover(SERVICE).instances] == ["o-1"]


def test_a_service_nobody_registered_has_no_instances_at_index_one():
    answer = discover("nobody-service")

    assert (answer.index, answer.instances) == (1, [])


def test_a_heartbeat_of_an_instance_nobody_knows_is_told_to_register(put):
    put("o-1")

    with pytest.raises(NotFound) as refusal:
        heartbeat(SERVICE, "o-2")
    assert refusal.value.code == "instance_not_found"
    assert Instance.objects.count() == 1


def test_an_earlier_life_cannot_replace_a_later_one(put):
    put("o-1", incarnation=7, port=8002)

    with pytest.raises(Conflict) as refusal:
        put("o-1", incarnation=6, port=9002)

    assert refusal.value.code == "stale_incarnation"
    assert discover(SERVICE).instances[0]["port"] == 8002
    assert JournalEntry.objects.filter(kind=JournalEntry.Kind.REFUSED, instance_id="o-1").count() == 1


def test_an_earlier_life_cannot_renew_the_lease_of_a_later_one(put):
    put("o-1", incarnation=7)
    before = Lease.objects.get()

    with pytest.raises(Conflict):
        heartbeat(SERVICE, "o-1", 6)
    assert Lease.objects.get().expires_at == before.expires_at


def test_a_heartbeat_that_knows_a_later_registration_is_told_to_register_again(put):
    put("o-1", incarnation=7)

    with pytest.raises(NotFound):
        heartbeat(SERVICE, "o-1", 8)


def test_an_earlier_life_cannot_take_out_a_later_one(put):
    put("o-1", incarnation=7)

    with pytest.raises(Conflict):
        deregister(SERVICE, "o-1", 6, actor="late")
    assert len(discover(SERVICE).instances) == 1


def test_a_service_may_not_have_more_instances_than_the_limit(put, monkeypatch):
    monkeypatch.setattr(register_module, "MAX_INSTANCES_PER_SERVICE", 2)
    put("o-1")
    put("o-2")

    with pytest.raises(Unprocessable) as refusal:
        put("o-3")
    assert refusal.value.code == "too_many_instances"
    assert Instance.objects.count() == 2
    assert not put("o-2").is_new, "those who are in may still register again"
    assert constants.MAX_INSTANCES_PER_SERVICE == 500
