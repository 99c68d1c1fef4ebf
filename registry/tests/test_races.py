"""Several registry processes at one database. Threads with their own connections stand for them."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.db.models import F

from atoll.errors import Refusal
from registry.models import Instance, JournalEntry, Lease
from registry.tests.conftest import SERVICE, offer
from registry.usecases.deregister import deregister
from registry.usecases.discover import discover
from registry.usecases.heartbeat import heartbeat
from registry.usecases.register import register

AT_ONCE = 8

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*jobs):
    """Start all jobs at one moment. Returns their results, a Refusal for each refused one."""
    start = threading.Barrier(len(jobs))

    def run(job):
        start.wait()
        try:
            return job()
        except Refusal as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(run, jobs))


def registering(instance_id, incarnation=0):
    return lambda: register(SERVICE, offer(instance_id, incarnation=incarnation), actor="test")


def test_instances_that_register_together_are_all_there_and_each_counted_once():
    results = at_once(*(registering(f"o-{n}") for n in range(AT_ONCE)))

    assert all(result.is_new for result in results)
    assert sorted(result.index for result in results) == list(range(2, 2 + AT_ONCE))
    answer = discover(SERVICE)
    assert (answer.index, len(answer.instances)) == (1 + AT_ONCE, AT_ONCE)


def test_one_registration_sent_many_times_is_one_instance():
    results = at_once(*(registering("o-1", 5) for _ in range(AT_ONCE)))

    assert sum(result.is_new for result in results) == 1
    assert {result.index for result in results} == {2}
    assert Instance.objects.count() == Lease.objects.count() == 1


def test_the_latest_life_wins_whatever_arrives_first():
    at_once(*(registering("o-1", incarnation) for incarnation in range(1, AT_ONCE + 1)))

    assert Instance.objects.get().incarnation == AT_ONCE


def test_a_farewell_among_beats_and_repeated_registrations_is_the_last_word():
    register(SERVICE, offer("o-1", incarnation=5), actor="test")

    at_once(
        lambda: deregister(SERVICE, "o-1", 5, actor="test"),
        *(registering("o-1", 5) for _ in range(3)),
        *(lambda: heartbeat(SERVICE, "o-1", 5) for _ in range(3)),
    )

    assert discover(SERVICE).instances == []
    assert JournalEntry.objects.filter(kind=JournalEntry.Kind.DEREGISTERED).count() == 1


def test_processes_that_notice_the_same_expiry_count_it_once():
    register(SERVICE, offer("o-1"), actor="test")
    register(SERVICE, offer("o-2"), actor="test")
    index = discover(SERVICE).index
    Lease.objects.filter(instance__instance_id="o-1").update(expires_at=F("beat_at"))

    answers = at_once(*(lambda: discover(SERVICE) for _ in range(AT_ONCE)))

    assert {(answer.index, len(answer.instances)) for answer in answers} == {(index + 1, 1)}
    assert JournalEntry.objects.filter(kind=JournalEntry.Kind.EXPIRED).count() == 1
