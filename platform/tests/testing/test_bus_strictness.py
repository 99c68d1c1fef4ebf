"""A test fails when a handler failed and the test does not expect that."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from testproject.models import Note

from atoll import conf
from atoll.bus import Dead, Message, Retry, on
from atoll.bus.handlers import registry
from atoll.testing.bus import Bus

pytestmark = pytest.mark.django_db

LATER = Retry(immediate=0, delayed_s=(60,))

# A suite of its own, for a process of its own.
SUITE = """
from atoll.bus import Retry, on


def fail(event: dict, message):
    raise ValueError("no shelf")


def test_the_failure_is_overlooked(atoll_bus):
    on("shelf.asked", name="shelve", retry=Retry(immediate=0, delayed_s=(60,)))(fail)
    atoll_bus.deliver("shelf.asked", {}, times=1)


def test_the_failure_is_expected(atoll_bus):
    on("shelf.asked", name="shelve", retry=Retry(immediate=0, delayed_s=(60,)))(fail)
    atoll_bus.deliver("shelf.asked", {}, times=1)
    (row,) = atoll_bus.failed(handler=fail, error=ValueError)
    assert row.error == "ValueError: no shelf"


def test_the_test_itself_fails(atoll_bus):
    on("shelf.asked", name="shelve", retry=Retry(immediate=0, delayed_s=(60,)))(fail)
    atoll_bus.deliver("shelf.asked", {}, times=1)
    assert 1 == 2
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    held = registry.handlers()
    registry._handlers.clear()
    yield
    registry._handlers[:] = held


def shelve(event: dict[str, Any], message: Message) -> None:
    Note.objects.create(text="before")
    raise ValueError("no shelf")


def refuse(event: dict[str, Any], message: Message) -> None:
    raise Dead("never")


def test_a_failure_that_waits_for_a_retry_is_told_with_the_handlers_own_lines(atoll_bus: Bus) -> None:
    on("shelf.asked", retry=LATER)(shelve)
    atoll_bus.deliver("shelf.asked", {}, times=1)

    told = atoll_bus.unexpected_failures()

    assert "A handler failed, and the test does not expect it." in told
    assert re.search(r"shelf.asked for \S+\.shelve: attempt 1 failed, the next one is at", told)
    assert 'raise ValueError("no shelf")\nValueError: no shelf' in told
    assert told.count("  File ") == 1
    assert "executor.py" not in told
    atoll_bus.failed()


def test_a_dead_delivery_is_unexpected_until_the_test_asks_for_it(atoll_bus: Bus) -> None:
    on("shelf.asked")(refuse)
    atoll_bus.deliver("shelf.asked", {}, times=1)
    assert "dead after attempt 1" in atoll_bus.unexpected_failures()
    assert len(atoll_bus.dead("shelf.asked")) == 1
    assert atoll_bus.unexpected_failures() == ""


def test_a_retry_that_succeeds_leaves_no_failure(atoll_bus: Bus) -> None:
    seen: list[str] = []

    @on("shelf.asked", retry=LATER)
    def shelve_later(event: dict[str, Any], message: Message) -> None:
        seen.append(message.id)
        if len(seen) == 1:
            raise ValueError("no shelf")

    atoll_bus.deliver("shelf.asked", {}, times=1)
    assert atoll_bus.unexpected_failures() != ""
    atoll_bus.advance(timedelta(minutes=2))
    assert atoll_bus.unexpected_failures() == ""


@pytest.mark.parametrize(
    ("handler", "error"),
    [(shelve, None), ("shelve", "no shelf"), (None, ValueError), ("shelve", ValueError)],
)
def test_an_expected_failure_is_named_by_handler_and_error(atoll_bus: Bus, handler: Any, error: Any) -> None:
    on("shelf.asked", retry=LATER)(shelve)
    (row,) = atoll_bus.deliver("shelf.asked", {}, times=1)
    assert atoll_bus.failed(handler, error) == [row]
    assert atoll_bus.unexpected_failures() == ""


@pytest.mark.parametrize(
    ("handler", "error"), [("shelv", None), (None, KeyError), ("shelve", "no drawer"), (refuse, None)]
)
def test_a_failure_that_did_not_happen_cannot_be_expected(atoll_bus: Bus, handler: Any, error: Any) -> None:
    on("shelf.asked", retry=LATER)(shelve)
    atoll_bus.deliver("shelf.asked", {}, times=1)
    with pytest.raises(AssertionError, match="No such failure"):
        atoll_bus.failed(handler, error)
    assert "no shelf" in atoll_bus.unexpected_failures()
    atoll_bus.is_strict = False


def test_the_failures_of_another_handler_stay_unexpected(atoll_bus: Bus) -> None:
    on("shelf.asked", retry=LATER)(shelve)
    on("shelf.asked")(refuse)
    atoll_bus.deliver("shelf.asked", {}, times=1)
    atoll_bus.failed(handler=shelve)
    told = atoll_bus.unexpected_failures()
    assert "refuse" in told
    assert "no shelf" not in told
    assert len(atoll_bus.failed(error=Dead)) == 1


def test_pytest_fails_the_test_with_one_short_text(tmp_path: Path, atoll_bus: Bus) -> None:
    """The suite runs on the database of this one, which is there already."""
    suite = tmp_path / "test_shelf.py"
    suite.write_text(SUITE)
    table = conf.root() / "platform" / "pyproject.toml"
    arguments = ("-c", str(table), "--rootdir", str(tmp_path), "--reuse-db", "-p", "no:cacheprovider", "-rA")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, str(suite)], capture_output=True, text=True, check=False
    )
    shown = found.stdout
    assert "1 passed" in shown, shown + found.stderr
    assert "2 failed" in shown
    overlooked = shown[
        shown.index("_ test_the_failure_is_overlooked _") : shown.index("_ test_the_test_itself")
    ]
    report = overlooked.partition("Captured")[0]
    assert report.count("A handler failed, and the test does not expect it.") == 1
    assert re.search(r"test_shelf.py\", line \d+, in fail\n +raise ValueError", report)
    assert report.count("  File ") == 1
    own_failure = shown[shown.index("_ test_the_test_itself") :].partition("short test summary")[0]
    assert "the test does not expect it" not in own_failure


def test_the_version_of_the_data_is_that_of_the_message(atoll_bus: Bus) -> None:
    seen: list[int] = []

    @on("shelf.asked")
    def note(event: dict[str, Any], message: Message) -> None:
        seen.append(message.version)

    atoll_bus.deliver("shelf.asked", {}, times=1, version=3)
    assert seen == [3]


def test_messages_of_a_key_are_taken_in_their_order(atoll_bus: Bus) -> None:
    @on("shelf.asked", ordered=True, retry=LATER)
    def shelve_in_order(event: dict[str, Any], message: Message) -> None:
        if event["number"] == 1 and message.attempt == 1:
            raise ValueError("no shelf")
        Note.objects.create(text=f"{event['box']} {event['number']}")

    atoll_bus.deliver("shelf.asked", {"box": "a", "number": 1}, times=1, key="a")
    (waiting,) = atoll_bus.deliver("shelf.asked", {"box": "a", "number": 2}, times=1, key="a")
    atoll_bus.deliver("shelf.asked", {"box": "b", "number": 3}, times=1, key="b")
    assert waiting.status == "pending"
    assert list(Note.objects.values_list("text", flat=True)) == ["b 3"]
    atoll_bus.advance(timedelta(minutes=2))
    assert list(Note.objects.order_by("id").values_list("text", flat=True)) == ["b 3", "a 1", "a 2"]


def test_a_fixture_under_its_earlier_name_names_the_new_one(
    request: pytest.FixtureRequest, atoll_bus: Bus
) -> None:
    with pytest.warns(DeprecationWarning, match="The fixture 'bus' is now 'atoll_bus'"):
        assert request.getfixturevalue("bus") is atoll_bus
