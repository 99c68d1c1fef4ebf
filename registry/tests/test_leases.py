"""Invariants: a silent instance is out of the answer when its lease ends; an instance with heartbeats stays
in, whatever happens to the registry."""

import pytest

from registry.models import Instance, JournalEntry, Lease
from registry.selectors import services_page
from registry.tests.conftest import SERVICE
from registry.usecases.discover import discover
from registry.usecases.heartbeat import heartbeat
from registry.usecases.pulse import pulse, sweep

pytestmark = pytest.mark.django_db


def healthy():
    return [instance["id"] for instance in discover(SERVICE).instances]


def statuses():
    return {row["id"]: row["status"] for service in services_page(0, 100)[1] for row in service["instances"]}


def kinds():
    return list(JournalEntry.objects.order_by("id").values_list("kind", flat=True))


def test_an_instance_silent_for_sixty_seconds_is_out_without_any_sweep(put, silence):
    put("o-1")
    put("o-2")
    silence("o-1", seconds=60)

    assert healthy() == ["o-2"]
    assert statuses() == {"o-1": "unhealthy", "o-2": "healthy"}


def test_an_instance_silent_for_less_is_in(put, silence):
    put("o-1")
    silence("o-1", seconds=55)

    assert healthy() == ["o-1"]


def test_a_heartbeat_gives_the_whole_lease_again(put, silence):
    put("o-1")
    silence("o-1", seconds=45)
    heartbeat(SERVICE, "o-1")
    silence("o-1", seconds=45)

    assert healthy() == ["o-1"]


def test_an_unhealthy_instance_that_beats_is_back_and_the_journal_tells_both(put, silence):
    put("o-1")
    put("o-2")
    silence("o-1", seconds=61)
    assert healthy() == ["o-2"]
    assert heartbeat(SERVICE, "o-1") == "ok"

    assert healthy() == ["o-1", "o-2"]
    assert kinds() == ["registered", "registered", "expired", "recovered"]


def test_the_answer_says_when_its_first_lease_may_run_out(put, silence):
    put("o-1")
    put("o-2")
    silence("o-2", seconds=50)

    assert 0 < discover(SERVICE).valid_s <= 10


def test_a_registry_that_was_away_for_two_minutes_loses_nobody_who_was_beating(put, registry_away):
    put("o-1")
    pulse()
    registry_away(seconds=120)

    assert healthy() == ["o-1"], "asked before anything else happened"
    assert 120 <= pulse().total_seconds() < 180
    assert healthy() == ["o-1"]
    assert 30 < discover(SERVICE).valid_s <= 60


def test_a_registry_that_comes_back_revives_nobody_who_had_fallen_silent_before(put, silence, registry_away):
    put("o-1")
    put("o-2")
    pulse()
    silence("o-2", seconds=61)
    registry_away(seconds=120)
    pulse()

    assert healthy() == ["o-1"]


def test_after_the_registry_came_back_silence_counts_again(put, silence, registry_away):
    put("o-1")
    put("o-2")
    pulse()
    registry_away(seconds=120)
    pulse()
    silence("o-1", seconds=61)

    assert healthy() == ["o-2"]


def test_a_pulse_in_time_extends_no_lease(put, silence):
    put("o-1")
    pulse()
    before = Lease.objects.get().expires_at

    assert pulse() is None
    assert Lease.objects.get().expires_at == before


def test_the_sweep_forgets_only_who_was_silent_for_fifteen_minutes(put, silence):
    put("o-1")
    put("o-2")
    put("o-3")
    silence("o-1", seconds=60 + 15 * 60 + 1)
    silence("o-2", seconds=60 + 15 * 60 - 5)

    assert sweep() == 1
    assert set(Instance.objects.values_list("instance_id", flat=True)) == {"o-2", "o-3"}
    assert "forgotten" in kinds()


def test_a_forgotten_instance_may_register_again(put, silence):
    put("o-1", incarnation=5)
    put("o-2")
    silence("o-1", seconds=2000)
    assert sweep() == 1
    put("o-1", incarnation=6)

    assert healthy() == ["o-1", "o-2"]
