"""Failures of one kind get one name, however their messages differ."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from atoll.bus import Dead, Message, Retry, on
from atoll.bus.failures import MAX_GROUP_CHARACTERS, group_of
from atoll.errors import Unavailable
from atoll.testing.bus import Bus


@pytest.mark.parametrize(
    ("error", "group"),
    [
        (ValueError("no row 17 of 1,204.50"), "ValueError: no row # of #"),
        (KeyError("sku-9"), "KeyError: <text>"),
        (
            LookupError("order 01a206c6-8fd1-72e1-8e30-dd504f614e58 is gone"),
            "LookupError: order <id> is gone",
        ),
        (LookupError('user "Ada Lovelace" has\nno card'), "LookupError: user <text> has no card"),
        (OSError("digest 6eb812dbb0a80142ad88a05deaebd250e1b5c860 differs"), "OSError: digest <id> differs"),
        (RuntimeError(), "RuntimeError"),
        (Dead("It does not fit: items[3].quantity"), "Dead: It does not fit: items[#].quantity"),
    ],
)
def test_ids_numbers_and_quoted_texts_do_not_count(error: Exception, group: str) -> None:
    assert group_of(error) == group


def test_a_long_group_is_cut_and_still_told_apart() -> None:
    first, second = (group_of(ValueError(f"{'x ' * 300}{end}")) for end in ("one", "two"))
    assert first != second
    assert {len(first), len(second)} == {MAX_GROUP_CHARACTERS}


@pytest.mark.usefixtures("handlers")
def test_a_delivery_carries_the_group_of_its_last_failure_until_it_succeeds(bus: Bus) -> None:
    failures: list[Exception] = [Unavailable("bank", "took 17 s"), ValueError("order 12 is odd")]

    @on("note.asked", retry=Retry(immediate=0, delayed_s=(5, 5)))
    def fail(event: dict[str, Any], message: Message) -> None:
        if failures:
            raise failures.pop()

    groups = []
    (row,) = bus.deliver("note.asked", {}, times=1)
    for seconds in (6, 12, 18):
        groups.append((row.status, row.error_group))
        bus.run_due(timezone.now() + timedelta(seconds=seconds))
        row.refresh_from_db()
    assert groups[0] == ("pending", "ValueError: order # is odd")
    assert groups[1][1].startswith("Unavailable: ")
    assert "17" not in groups[1][1]
    assert (row.status, row.error_group) == ("done", "")
