"""Dead letters in groups: staff find them together and decide about them together."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.utils import timezone
from testproject.models import Note

from atoll.bus import Message, Retry, on
from atoll.bus.delivery import executor
from atoll.bus.delivery.lanes import LaneWaker
from atoll.bus.models import Delivery
from atoll.bus.operations import dead_letters
from atoll.bus.operations.dead_letters import FailureGroup
from atoll.identity.roles import SUPPORT
from atoll.ids import uuid7
from atoll.testing.bus import Bus
from atoll.testing.rights import member

from .arrivals import store

pytestmark = pytest.mark.usefixtures("handlers")

PAGES = "/admin/atoll_bus/dead-letters/"
broken = {"fuse", "pump"}


@pytest.fixture
def dead(atoll_bus: Bus) -> list[Delivery]:
    """Three deliveries without a fuse and one without a pump, all of one handler."""
    broken.update({"fuse", "pump"})

    @on("note.asked", retry=Retry(immediate=0, delayed_s=()))
    def write(event: dict[str, Any], message: Message) -> None:
        if event["part"] in broken:
            raise LookupError(f"no {event['part']} in box {event['box']} of {uuid7()}")
        Note.objects.create(text=str(event["box"]))

    rows = []
    for box, part in enumerate(("fuse", "pump", "fuse", "fuse")):
        rows += atoll_bus.deliver("note.asked", {"part": part, "box": box}, times=1)
    return rows


def group_of(row: Delivery) -> FailureGroup:
    return FailureGroup(row.handler, row.message.name, row.error_group)


def address(page: str, row: Delivery, **more: str) -> str:
    group = group_of(row)
    named = {"handler": group.handler, "name": group.name, "group": group.error_group, **more}
    return f"{PAGES}{page}/?{urlencode(named)}"


def now() -> str:
    return timezone.now().isoformat()


def statuses() -> list[str]:
    return list(Delivery.objects.order_by("message_id").values_list("status", flat=True))


def test_failures_that_differ_in_ids_and_numbers_only_are_one_group(dead: list[Delivery]) -> None:
    fuses, pumps = dead_letters.groups()
    assert (fuses.count, pumps.count) == (3, 1)
    assert fuses.group == group_of(dead[0]) == group_of(dead[2])
    assert (fuses.first_at, fuses.last_at) == (dead[0].finished_at, dead[3].finished_at)
    assert fuses.sample == dead[3]


def test_the_page_lists_the_groups_with_a_sample_of_each(staff: Client, dead: list[Delivery]) -> None:
    page = staff.get(PAGES).content.decode()
    assert "no fuse in box 3" in page
    assert "no pump in box 1" in page
    assert "no fuse in box 0" not in page
    assert f"/admin/atoll_bus/delivery/{dead[3].pk}/change/" in page


def test_a_group_page_shows_its_newest_and_their_traceback(staff: Client, dead: list[Delivery]) -> None:
    page = staff.get(address("group", dead[0])).content.decode()
    for box in (0, 2, 3):
        assert f"no fuse in box {box}" in page
    assert "no pump" not in page
    assert "LookupError" in page


def test_a_group_is_replayed_and_then_really_runs(
    staff: Client, dead: list[Delivery], atoll_bus: Bus
) -> None:
    broken.discard("fuse")
    assert "Replay 3" in staff.get(address("replay", dead[0], until=now())).content.decode()
    assert statuses() == ["dead"] * 4

    answer = staff.post(address("replay", dead[0], until=now()), follow=True)

    assert "3 messages: will run again." in answer.content.decode()
    assert atoll_bus.run_due() == 3
    assert statuses() == ["done", "dead", "done", "done"]
    assert sorted(Note.objects.values_list("text", flat=True)) == ["0", "2", "3"]
    entry = LogEntry.objects.get()
    assert entry.object_repr == "3 deliveries"
    assert "will run again" in entry.change_message
    assert dead[0].handler in entry.change_message


def test_a_group_is_discarded_with_a_reason_only(staff: Client, dead: list[Delivery]) -> None:
    where = address("discard", dead[0], until=now())
    assert "This field is required" in staff.post(where, {"reason": ""}).content.decode()
    assert statuses() == ["dead"] * 4

    answer = staff.post(where, {"reason": "no such boxes"}, follow=True)

    assert "3 messages: discarded: no such boxes." in answer.content.decode()
    assert statuses() == ["discarded", "dead", "discarded", "discarded"]
    assert set(Delivery.objects.filter(status="discarded").values_list("error", flat=True)) == {
        "Discarded: no such boxes"
    }
    assert "no such boxes" in LogEntry.objects.get().change_message


def test_decisions_about_one_row_and_about_many_are_on_one_page(staff: Client, dead: list[Delivery]) -> None:
    page = "/admin/atoll_bus/decisions/"
    assert "Nobody has decided anything yet" in staff.get(page).content.decode()
    staff.post(address("discard", dead[0], until=now()), {"reason": "no such boxes"}, follow=True)
    staff.post(f"/admin/atoll_bus/delivery/{dead[1].pk}/discard/", {"reason": "no such pump"}, follow=True)
    shown = staff.get(page).content.decode()
    assert shown.index("no such pump") < shown.index("no such boxes")
    assert "3 deliveries" in shown
    assert f"/admin/atoll_bus/delivery/{dead[1].pk}/change/" in shown
    assert staff.get(page, {"p": "x"}).status_code == 200


def test_a_delivery_that_died_after_the_page_was_opened_is_left_alone(
    staff: Client, dead: list[Delivery]
) -> None:
    opened = dead[2].finished_at
    assert opened is not None
    where = address("discard", dead[0], until=(opened + timedelta(microseconds=1)).isoformat())
    staff.post(where, {"reason": "seen"})
    assert statuses() == ["discarded", "dead", "discarded", "dead"]


def test_a_large_group_starts_again_at_a_steady_pace(dead: list[Delivery], monkeypatch: Any) -> None:
    monkeypatch.setattr(dead_letters, "REPLAYED_PER_S", 2)
    assert dead_letters.replay_group(group_of(dead[0]), timezone.now()) == 3
    due = list(
        Delivery.objects.filter(status="pending")
        .order_by("message_id")
        .values_list("next_attempt_at", flat=True)
    )
    assert [(moment - due[0]).total_seconds() for moment in due] == [0, 0, 1]


def test_a_group_is_changed_by_one_statement(dead: list[Delivery], django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        dead_letters.replay_group(group_of(dead[0]), timezone.now())


def test_discarding_a_group_lets_the_lanes_go_on_that_it_held_up(atoll_bus: Bus) -> None:
    @on("step.taken", ordered=True, retry=Retry(immediate=0, delayed_s=()))
    def walk(event: dict[str, Any], message: Message) -> None:
        if event["number"] == 1:
            raise ValueError("stumbled")
        Note.objects.create(text=str(event["number"]))

    for number in (1, 2, 3):
        store("step.taken", {"number": number}, key="a", sequence=number, sender="s")
    for row in Delivery.objects.order_by("position"):
        executor.execute(row.pk)
    [found] = dead_letters.groups()
    assert (found.count, found.in_lanes, statuses()) == (1, 1, ["dead", "pending", "pending"])
    assert atoll_bus.run_due(timezone.now() + timedelta(minutes=5)) == 0

    assert dead_letters.discard_group(found.group, timezone.now(), "walk on") == 1
    LaneWaker().step()
    assert atoll_bus.run_due() == 2
    assert sorted(Note.objects.values_list("text", flat=True)) == ["2", "3"]


def test_dead_letters_are_found_by_their_index(dead: list[Delivery]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {dead_letters.GROUPS}", {"grouped": 10, "shown": 10})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "delivery_dead" in plan
    assert "Seq Scan" not in plan


def test_support_sees_groups_and_decides_nothing(staff: Client, dead: list[Delivery]) -> None:
    member(SUPPORT, username="ada")
    assert "Replay…" not in staff.get(PAGES).content.decode()
    for page in ("replay", "discard"):
        assert staff.post(address(page, dead[0], until=now()), {"reason": "x"}).status_code == 403
    assert statuses() == ["dead"] * 4


@pytest.mark.parametrize(
    "broken_address",
    [
        "group/",
        "group/?handler=a&name=b",
        "replay/?handler=a&name=b&group=c",
        "replay/?handler=a&name=b&group=c&until=x",
    ],
)
def test_an_address_that_names_no_group_is_not_found(staff: Client, broken_address: str) -> None:
    assert staff.get(f"{PAGES}{broken_address}").status_code == 404


def test_without_dead_letters_the_page_says_so(staff: Client) -> None:
    assert "No dead letters" in staff.get(PAGES).content.decode()


@pytest.fixture
def mixed(atoll_bus: Bus) -> list[Delivery]:
    """Of one cause: a dead delivery, one that waits for its next attempt, and one that runs now."""
    broken.update({"fuse", "pump"})

    @on("note.asked", retry=Retry(immediate=0, delayed_s=(60,)))
    def write(event: dict[str, Any], message: Message) -> None:
        if event["part"] in broken:
            raise LookupError(f"no {event['part']} in box {event['box']}")
        Note.objects.create(text=str(event["box"]))

    [first] = atoll_bus.deliver("note.asked", {"part": "fuse", "box": 1}, times=1)
    atoll_bus.run_due(timezone.now() + timedelta(seconds=61))
    rows = [atoll_bus.deliver("note.asked", {"part": "fuse", "box": box}, times=1)[0] for box in (2, 3)]
    Delivery.objects.filter(pk=rows[1].pk).update(status="running", attempts=2)
    first.refresh_from_db()
    return [first, *rows]


def test_a_decision_covers_the_failing_and_the_dead_and_no_running_delivery(
    staff: Client, mixed: list[Delivery], atoll_bus: Bus
) -> None:
    page = staff.get(address("group", mixed[0])).content.decode()
    assert "1, with attempts left" in page
    broken.discard("fuse")
    assert "Replay 2" in staff.get(address("replay", mixed[0], until=now())).content.decode()
    answer = staff.post(address("replay", mixed[0], until=now()), follow=True)
    assert "2 messages: will run again." in answer.content.decode()
    assert atoll_bus.run_due() == 2
    assert statuses() == ["done", "done", "running"]


def test_a_failing_delivery_is_discarded_with_its_group(staff: Client, mixed: list[Delivery]) -> None:
    staff.post(address("discard", mixed[0], until=now()), {"reason": "no such boxes"})
    assert statuses() == ["discarded", "discarded", "running"]


def test_a_delivery_that_failed_first_after_the_page_was_opened_is_left_alone(
    staff: Client, mixed: list[Delivery]
) -> None:
    until = mixed[0].finished_at
    assert until is not None
    Delivery.objects.filter(pk=mixed[1].pk).update(first_failed_at=until + timedelta(seconds=5))
    staff.post(address("discard", mixed[0], until=until.isoformat()), {"reason": "seen"})
    assert statuses() == ["discarded", "pending", "running"]
