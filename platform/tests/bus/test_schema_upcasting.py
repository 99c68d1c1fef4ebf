"""Upcasters convert old versions for a handler; newer versions are read as far as they fit."""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from testproject.models import Note

from atoll.bus import Message, handles, on, upcast, upcasting
from atoll.bus.broker import envelope
from atoll.bus.delivery import executor
from atoll.bus.inbox import store as inbox
from atoll.bus.models import Delivery
from atoll.bus.operations import recovery
from atoll.errors import Misuse

pytestmark = pytest.mark.usefixtures("handlers", "upcasters")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@dataclass
class Asked:
    """Version 3 of what began as ``{"text": …}``."""

    version: ClassVar[int] = 3
    title: str
    tags: list[str] = field(default_factory=list)


@pytest.fixture
def upcasters() -> Iterator[None]:
    """Remove the upcasters of a test after it."""
    held = dict(upcasting._upcasters)
    upcasting._upcasters.clear()
    yield
    upcasting._upcasters.clear()
    upcasting._upcasters.update(held)


@pytest.fixture
def asked() -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=f"{event.title} {event.tags} v{message.version} {sorted(message.data)}")


def deliver(data: dict[str, Any], version: int | None, **name: str) -> Delivery:
    body = {"id": "m-1", **(name or {"eventType": "note.asked"}), "data": data}
    if version is not None:
        body["version"] = version
    (delivery_id,) = inbox.store([envelope.parse(json.dumps(body).encode(), {}, {})])
    executor.execute(delivery_id)
    return Delivery.objects.get(pk=delivery_id)


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def titled(data: dict[str, Any]) -> dict[str, Any]:
    data["title"] = data.pop("text")
    return data


def tagged(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "tags": [data["title"].lower()]}


@pytest.mark.django_db
@pytest.mark.parametrize("version", [1, None], ids=["said", "unsaid"])
def test_a_first_version_takes_every_step_and_the_message_stays_as_it_came(
    asked: None, version: int | None
) -> None:
    upcast("note.asked", from_version=2)(tagged)
    upcast("note.asked", from_version=1)(titled)
    assert deliver({"text": "Tea"}, version).status == "done"
    assert notes() == ["Tea ['tea'] v1 ['text']"]


@pytest.mark.django_db
def test_a_second_version_takes_the_second_step_only(asked: None) -> None:
    upcast("note.asked", from_version=2)(tagged)
    upcast("note.asked", from_version=1)(titled)
    assert deliver({"title": "Tea"}, 2).status == "done"
    assert notes() == ["Tea ['tea'] v2 ['title']"]


@pytest.mark.django_db
def test_an_old_version_that_fits_needs_no_upcaster(asked: None) -> None:
    assert deliver({"title": "Tea"}, 2).status == "done"
    assert notes() == ["Tea [] v2 ['title']"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("version", "said"), [(2, "version 3; this is version 2"), (4, "version 3; this is version 4")]
)
def test_a_version_that_does_not_fit_is_a_dead_letter_that_names_field_and_versions(
    asked: None, version: int, said: str
) -> None:
    dead = deliver({"heading": "Tea"}, version)
    assert (dead.status, dead.attempts) == ("dead", 1)
    assert dead.error == f"The payload does not fit Asked, which reads {said}: title: is missing"
    assert notes() == []


@pytest.mark.django_db
def test_a_newer_version_that_still_fits_is_read_and_no_upcaster_touches_it(asked: None) -> None:
    upcast("note.asked", from_version=2)(tagged)
    assert deliver({"title": "Tea", "colour": "green"}, 7).status == "done"
    assert notes() == ["Tea [] v7 ['colour', 'title']"]


@pytest.mark.django_db
def test_commands_are_upcast_too() -> None:
    @handles("write.note")
    def write(command: Asked, message: Message) -> None:
        Note.objects.create(text=command.title)

    upcast("write.note", from_version=1)(titled)
    assert deliver({"text": "Tea"}, 1, command="write.note").status == "done"
    assert notes() == ["Tea"]


@pytest.mark.django_db
def test_a_failing_upcaster_is_a_dead_letter_that_a_replay_runs_again_after_the_fix(asked: None) -> None:
    @upcast("note.asked", from_version=1)
    def broken(data: dict[str, Any]) -> dict[str, Any]:
        return titled({"heading": data["text"]})

    dead = deliver({"text": "Tea"}, 1)
    assert (dead.status, dead.attempts) == ("dead", 1)
    assert "broken of note.asked from version 1 failed: KeyError: 'text'" in dead.error
    assert "in titled" in dead.traceback

    upcasting._upcasters["note.asked", 1] = titled
    recovery.replay_deliveries([dead.pk])
    executor.execute(dead.pk)
    dead.refresh_from_db()
    assert (dead.status, notes()) == ("done", ["Tea [] v1 ['text']"])


@pytest.mark.django_db
def test_an_upcaster_must_return_the_data(asked: None) -> None:
    @upcast("note.asked", from_version=1)
    def forgetful(data: dict[str, Any]) -> None:  # type: ignore[arg-type]
        titled(data)

    assert "returned NoneType, not a dict." in deliver({"text": "Tea"}, 1).error


@pytest.mark.django_db
def test_a_handler_that_takes_a_dict_gets_the_data_unchanged() -> None:
    @on("note.asked")
    def write(event: dict[str, Any], message: Message) -> None:
        Note.objects.create(text=f"{event['text']} v{message.version}")

    upcast("note.asked", from_version=1)(titled)
    deliver({"text": "Tea"}, 1)
    assert notes() == ["Tea v1"]


def test_a_version_has_one_upcaster_and_a_pattern_or_a_version_below_one_has_none() -> None:
    upcast("note.asked", from_version=1)(titled)
    upcast("note.asked", from_version=1)(titled)
    for name, version, function in (
        ("note.asked", 1, tagged),
        ("note.*", 1, titled),
        ("note.asked", 0, titled),
    ):
        with pytest.raises(Misuse):
            upcast(name, from_version=version)(function)
    assert upcasting.versions("note.asked") == [1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(1, 12)), st.integers(1, 13), st.integers(1, 13))
def test_every_step_between_two_versions_runs_once_and_in_order(
    steps: set[int], version: int, wanted: int
) -> None:
    upcasting._upcasters.clear()

    def step(number: int) -> None:
        @upcast("counted", from_version=number)
        def count(data: dict[str, Any]) -> dict[str, Any]:
            return {"taken": [*data["taken"], number]}

    for number in steps:
        step(number)
    taken = upcasting.apply_upcasters("counted", {"taken": []}, version, wanted)["taken"]
    assert taken == [number for number in sorted(steps) if version <= number < wanted]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(max_size=5), JSON), st.integers(1, 9), st.integers(0, 5))
def test_data_of_the_current_version_or_a_newer_one_is_untouched(
    data: dict[str, Any], wanted: int, newer: int
) -> None:
    upcasting._upcasters.clear()
    for number in range(1, wanted + 3):
        upcast("untouched", from_version=number)(dict.clear)  # type: ignore[arg-type]
    before = copy.deepcopy(data)
    assert upcasting.apply_upcasters("untouched", data, wanted + newer, wanted) is data
    assert data == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text(max_size=5), JSON, min_size=1))
def test_an_upcaster_works_on_a_copy_of_its_own(data: dict[str, Any]) -> None:
    upcasting._upcasters.clear()

    @upcast("spoiled", from_version=1)
    def spoil(given: dict[str, Any]) -> dict[str, Any]:
        for value in given.values():
            if isinstance(value, (dict, list)):
                value.clear()
        given.clear()
        return {}

    before = copy.deepcopy(data)
    assert upcasting.apply_upcasters("spoiled", data, 1, 2) == {}
    assert data == before
