"""Invariant: the index is at least 1, never falls, and moves if and only if the answer does."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from atoll.errors import Refusal
from registry.models import Instance, Service
from registry.tests.conftest import SERVICE, offer
from registry.usecases.deregister import deregister
from registry.usecases.discover import discover
from registry.usecases.drain import drain, undrain
from registry.usecases.heartbeat import heartbeat
from registry.usecases.register import register


@pytest.mark.django_db
def test_a_heartbeat_moves_no_index_and_writes_one_row(put):
    put("o-1")
    index = discover(SERVICE).index

    with CaptureQueriesContext(
        connection,
    ) as queries:
        heartbeat(SERVICE, "o-1")

    writes = [query["sql"] for query in queries if "UPDATE" in query["sql"]]
    assert len(writes) == 1
    assert "registry_lease" in writes[0]
    assert discover(SERVICE).index == index


@pytest.mark.django_db
def test_every_change_of_the_answer_moves_the_index_by_one(put, silence):
    put("o-1")
    instance = Instance.objects.get()
    indexes = [discover(SERVICE).index]
    for change in (
        lambda: put("o-2"),
        lambda: put("o-2", port=8102),
        lambda: drain(instance, actor="test"),
        lambda: undrain(instance, actor="test"),
        lambda: silence("o-2", seconds=61),
        lambda: heartbeat(SERVICE, "o-2"),
        lambda: deregister(SERVICE, "o-2", actor="test"),
    ):
        change()
        indexes.append(discover(SERVICE).index)

    assert indexes == list(range(indexes[0], indexes[0] + len(indexes)))


@pytest.mark.django_db
def test_what_leaves_the_answer_as_it_is_leaves_the_index_as_it_is(put, silence):
    put("o-1")
    put("o-2")
    drained = Instance.objects.get(instance_id="o-2")
    drain(drained, actor="test")
    index = discover(SERVICE).index

    put("o-1")
    drain(drained, actor="again")
    silence("o-2", seconds=61)
    put("u-1", service="user-service")

    assert discover(SERVICE).index == index


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["register", "beat", "deregister", "drain", "undrain"]),
        st.sampled_from(["o-1", "o-2"]),
        st.integers(1, 3),
    ),
    max_size=14,
)


class AnyStory(TestCase):
    """Duplicate and late requests in every order."""

    @settings(max_examples=40, deadline=None)
    @given(STEPS)
    def test_the_index_follows_the_answer_through_any_story(self, steps):
        before = discover(SERVICE)
        for verb, instance_id, incarnation in steps:
            attempt(verb, instance_id, incarnation)
            after = discover(SERVICE)
            assert after.index >= 1
            if after.instances == before.instances:
                assert after.index == before.index
            else:
                assert after.index == before.index + 1
            before = after

    @settings(max_examples=40, deadline=None)
    @given(STEPS)
    def test_doing_each_step_twice_ends_where_doing_it_once_does(self, steps):
        def end(repeats):
            Service.objects.all().delete()
            for step in steps:
                for _ in range(repeats):
                    attempt(*step)
            return discover(SERVICE).instances

        assert end(2) == end(1)

    @settings(max_examples=40, deadline=None)
    @given(STEPS, st.integers(1, 3))
    def test_no_story_brings_back_a_life_that_left(self, steps, last_life):
        attempt("register", "o-1", last_life)
        try:
            deregister(SERVICE, "o-1", last_life, actor="test")
        except Refusal:
            return
        for verb, instance_id, incarnation in steps:
            if instance_id == "o-1" and incarnation > last_life and verb != "beat":
                continue
            attempt(verb, instance_id, incarnation)

        assert "o-1" not in [instance["id"] for instance in discover(SERVICE).instances]


def attempt(verb: str, instance_id: str, incarnation: int) -> None:
    try:
        match verb:
            case "register":
                register(SERVICE, offer(instance_id, incarnation=incarnation), actor="test")
            case "beat":
                heartbeat(SERVICE, instance_id, incarnation)
            case "deregister":
                deregister(SERVICE, instance_id, incarnation, actor="test")
            case _:
                for instance in Instance.objects.filter(instance_id=instance_id):
                    (drain if verb == "drain" else undrain)(instance, actor="test")
    except Refusal:
        return
