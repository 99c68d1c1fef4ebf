"""The attempts that a worker reads from the slots of its children."""

import os
import time
from collections.abc import Iterator
from typing import Any, NoReturn
from uuid import uuid4

import pytest

from atoll.bus.delivery import attempt_slots


@pytest.fixture(autouse=True)
def child() -> Iterator[None]:
    """This process has a slot, as a child of a pool has one."""
    attempt_slots.become_child(3)
    yield
    attempt_slots.clear()
    attempt_slots.become_child(attempt_slots.SLOTS)


def refuse(**_: Any) -> NoReturn:
    raise AssertionError("the watchdog looks twice a second, and an entry that it does not need costs")


def test_the_attempt_of_a_child_is_read_until_it_ends() -> None:
    delivery, ends_at = uuid4(), time.monotonic() + 60
    attempt_slots.note(delivery, 2, ends_at)

    assert attempt_slots.entries([os.getpid()]) == [attempt_slots.Entry(os.getpid(), delivery, 2, ends_at)]
    attempt_slots.clear()
    assert attempt_slots.entries([os.getpid()]) == []


def test_only_an_overdue_attempt_of_an_own_child_is_overdue() -> None:
    attempt_slots.note(uuid4(), 1, time.monotonic() - 5)

    assert attempt_slots.entries([os.getpid()], overdue_s=10) == []
    assert attempt_slots.entries([os.getpid() + 1], overdue_s=1) == []
    assert len(attempt_slots.entries([os.getpid()], overdue_s=1)) == 1


def test_a_look_that_finds_nothing_makes_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    attempt_slots.note(uuid4(), 1, time.monotonic() + 60)
    monkeypatch.setattr(attempt_slots, "UUID", refuse)

    assert attempt_slots.entries([], overdue_s=2) == []
    assert attempt_slots.entries([os.getpid()], overdue_s=2) == []
