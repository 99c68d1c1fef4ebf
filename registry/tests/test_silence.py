"""Invariant: silence alone never empties a service. Deregistrations do, and operators do."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from registry.models import Instance, JournalEntry
from registry.silence import TOGETHER_S, InstanceState, last_known
from registry.tests.conftest import SERVICE
from registry.usecases.deregister import deregister
from registry.usecases.discover import discover
from registry.usecases.drain import drain
from registry.usecases.heartbeat import heartbeat
from registry.usecases.pulse import pulse, sweep

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def instance(pk, left_s, *, port=8000, is_drained=False):
    return InstanceState(
        pk=pk,
        id=f"o-{pk}",
        endpoint=("10.0.0.7", port + pk),
        incarnation=1,
        is_drained=is_drained,
        left_s=left_s,
        beat_at=NOW,
        beat_age_s=60 - left_s,
        registered_at=NOW,
        wire={},
    )


def found():
    return {instance["id"]: instance.get("lastKnown", False) for instance in discover(SERVICE).instances}


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        ([], set()),
        ([30], set()),
        ([-1], {0}),
        ([0], {0}),
        ([30, -1], set()),
        ([-1, -15], {0, 1}),
        ([-1, -TOGETHER_S - 2], {0}),
        ([-100_000, -100_010], {0, 1}),
        ([30, -1, -2], {1, 2}),
        ([30, -1, -100], set()),
        ([30, 30, -1, -2], set()),
        ([30, 30, -1, -2, -3], {2, 3, 4}),
    ],
)
def test_the_last_that_fell_silent_together_are_kept_if_they_are_more_than_still_beat(left, kept):
    assert last_known(instance(pk, left_s) for pk, left_s in enumerate(left)) == kept


def test_what_an_operator_drained_is_neither_kept_nor_counted():
    assert last_known([instance(0, -1, is_drained=True)]) == set()
    assert last_known([instance(0, 30, is_drained=True), instance(1, -1)]) == {1}


def test_a_silent_instance_whose_place_a_live_one_has_taken_is_gone():
    successor = replace(instance(9, 30), endpoint=instance(0, -1).endpoint)
    assert last_known([instance(0, -1), instance(1, -1), instance(2, -1), successor]) == {1, 2}


def test_when_one_of_two_falls_silent_the_other_serves_and_when_both_do_both_stay(put, silence):
    put("o-1")
    put("o-2")
    silence("o-1", seconds=70)
    assert found() == {"o-2": False}
    index = discover(SERVICE).index

    silence("o-2", seconds=61)
    assert found() == {"o-1": True, "o-2": True}
    answer = discover(SERVICE)
    assert (answer.index, answer.state, answer.valid_s) == (index + 1, "last-known", None)
    assert discover(SERVICE).index == answer.index, "asking again moves nothing"
    kept = JournalEntry.objects.get(kind=JournalEntry.Kind.KEPT)
    assert (kept.service, kept.details) == (SERVICE, {"instances": 2})


def test_the_one_that_beats_again_serves_and_the_mark_is_gone(put, silence):
    put("o-1")
    put("o-2")
    silence("o-1", seconds=61)
    silence("o-2", seconds=61)
    assert found() == {"o-1": True, "o-2": True}

    heartbeat(SERVICE, "o-1")
    assert found() == {"o-1": False}
    heartbeat(SERVICE, "o-2")
    assert found() == {"o-1": False, "o-2": False}
    assert discover(SERVICE).state == "current"
    assert not Instance.objects.filter(is_last_known=True).exists()


@pytest.mark.parametrize("end", ["farewell", "drain"])
def test_a_farewell_and_a_drain_empty_what_silence_did_not(put, silence, end):
    put("o-1")
    silence("o-1", seconds=61)
    assert found() == {"o-1": True}

    if end == "farewell":
        deregister(SERVICE, "o-1", actor="test")
    else:
        drain(Instance.objects.get(), actor="test")
    assert found() == {}
    assert discover(SERVICE).state == "current"


def test_the_last_known_list_outlives_days_and_restarts_and_what_fell_silent_before_is_forgotten(
    put, silence, registry_away
):
    put("o-old")
    put("o-1")
    silence("o-old", seconds=2 * 86_400)
    silence("o-1", seconds=86_400)
    pulse()

    assert sweep() == 1
    registry_away(seconds=120)
    pulse()
    assert sweep() == 0
    assert found() == {"o-1": True}


def test_a_successor_at_the_same_place_ends_the_last_known_list(put, silence):
    put("o-1", port=8002)
    silence("o-1", seconds=61)
    put("o-2", port=8002)

    assert found() == {"o-2": False}


def test_a_name_that_nobody_ever_registered_is_told_apart_from_an_empty_service(wire):
    answered = asyncio.run(wire("GET", "/discover/nobody-service"))
    assert (answered.headers["x-registry-list"], answered.body) == ("unknown", [])


def test_a_list_that_is_last_known_says_so_over_http(wire, put, silence):
    put("o-1")
    silence("o-1", seconds=61)

    answered = asyncio.run(wire("GET", f"/discover/{SERVICE}"))
    assert answered.headers["x-registry-list"] == "last-known"
    assert [(one["id"], one["lastKnown"]) for one in answered.body] == [("o-1", True)]
    (service,) = asyncio.run(wire("GET", "/services")).body
    assert (service["healthy"], service["lastKnown"]) == (0, 1)
    assert [one["status"] for one in service["instances"]] == ["last-known"]

    deregister(SERVICE, "o-1", actor="test")
    emptied = asyncio.run(wire("GET", f"/discover/{SERVICE}"))
    assert (emptied.headers["x-registry-list"], emptied.body) == ("current", [])
