"""A group is one cause: failures that one correction ends share a name, and other failures do not."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from testproject.models import Stamp

from atoll.bus import Dead, Message, Retry, on
from atoll.bus.delivery.error_fingerprint import MAX_GROUP_CHARACTERS, fingerprint_of
from atoll.errors import Unavailable
from atoll.ids import uuid7
from atoll.testing.bus import Bus


def caught(function: Callable[[], object]) -> str:
    try:
        function()
    except Exception as error:
        return fingerprint_of(error)
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("error", "group"),
    [
        (ValueError("no row 17 of 1,204.50"), "ValueError: no row # of #"),
        (KeyError("sku-9"), "KeyError: 'sku-#'"),
        (KeyError("01a206c6-8fd1-72e1-8e30-dd504f614e58"), "KeyError: '<id>'"),
        (KeyError("unit price"), "KeyError: 'unit price'"),
        (KeyError("address1"), "KeyError: 'address1'"),
        (LookupError("01a206c68fd172e18e30dd504f614e58 is gone"), "LookupError: <id> is gone"),
        (LookupError("no charge ch_3MqLiJ2eZvKYlo2C"), "LookupError: no charge <id>"),
        (LookupError('user "Ada Lovelace" has\nno card'), "LookupError: user <text> has no card"),
        (LookupError("ada@example.com has no card"), "LookupError: <email> has no card"),
        (ValueError("due 2026-11-23T10:00:00.123Z, now 2026-11-24"), "ValueError: due <time>, now <time>"),
        (TypeError("<object object at 0x7f3a1c>"), "TypeError: <object object at <address>>"),
        (OSError("digest 6eb812dbb0a80142ad88a05deaebd250e1b5c860 differs"), "OSError: digest <id> differs"),
        (RuntimeError("took 17ms, answered 503"), "RuntimeError: took #ms, answered 503"),
        (RuntimeError(), "RuntimeError"),
        (Dead("It does not fit: items[3].quantity"), "Dead: It does not fit: items[#].quantity"),
    ],
)
def test_only_what_varies_from_message_to_message_is_left_out(error: Exception, group: str) -> None:
    assert fingerprint_of(error) == group


def read(key: Any, data: dict[Any, Any] | None = None) -> Any:
    return (data or {})[key]


def read_elsewhere(key: Any) -> Any:
    empty: dict[Any, Any] = {}
    return empty[key]


def test_two_missing_keys_are_two_causes_and_an_id_as_key_is_one() -> None:
    assert caught(lambda: read("quantity")) != caught(lambda: read("price"))
    assert caught(lambda: read(str(uuid7()))) == caught(lambda: read(str(uuid7())))
    assert caught(lambda: read(17)) == caught(lambda: read(18))


def test_the_same_words_from_two_lines_are_two_causes_and_from_one_line_one() -> None:
    assert caught(lambda: read("quantity")) != caught(lambda: read_elsewhere("quantity"))
    groups = {caught(lambda number=number: read("quantity", {number: 1})) for number in range(3)}
    assert groups == {"KeyError: 'quantity' in bus.test_error_fingerprint.read: return (data or {})[key]"}


def test_what_a_library_raises_is_named_by_the_line_of_ours_that_called_it() -> None:
    group = caught(lambda: json.loads("{"))
    assert "in bus.test_error_fingerprint.test_what_a_library_raises" in group
    assert 'json.loads("{")' in group
    assert "decoder" not in group


def test_what_an_error_was_raised_from_belongs_to_its_cause() -> None:
    def give_up(reason: Callable[[], object], *, suppress: bool = False) -> None:
        try:
            reason()
        except Exception as error:
            raise RuntimeError("the order cannot be placed") from (None if suppress else error)

    first, second = caught(lambda: give_up(lambda: read("a"))), caught(lambda: give_up(lambda: read("b")))
    assert first != second
    assert "from KeyError: 'a'" in first
    silent = {caught(lambda key=key: give_up(lambda: read(key), suppress=True)) for key in "ab"}
    assert len(silent) == 1
    errors = [ExceptionGroup("some failed", [kind("x")]) for kind in (ValueError, TypeError)]
    assert fingerprint_of(errors[0]) != fingerprint_of(errors[1])


def test_errors_that_point_at_each_other_end() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert fingerprint_of(first) == "ValueError: first from ValueError: second"


def test_an_error_that_cannot_be_printed_has_a_group() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert fingerprint_of(Mute()) == "Mute: <unprintable>"


def test_a_long_group_is_cut_and_still_told_apart() -> None:
    first, second = (fingerprint_of(ValueError(f"{'x ' * 300}{end}")) for end in ("one", "two"))
    assert first != second
    assert {len(first), len(second)} == {MAX_GROUP_CHARACTERS}


@pytest.mark.django_db
def test_a_constraint_is_one_cause_whatever_the_value() -> None:
    def twice(number: int) -> None:
        with transaction.atomic():
            Stamp.objects.bulk_create([Stamp(pk=number, name=f"({number})"), Stamp(pk=number, name="x")])

    with pytest.raises(IntegrityError, match="already exists"):
        twice(7)
    groups = {caught(lambda number=number: twice(number)) for number in (7, 12345)}
    assert len(groups) == 1
    assert "testproject_stamp_pkey" in groups.pop()


@pytest.mark.usefixtures("handlers")
def test_a_delivery_carries_the_group_of_its_last_failure_until_it_succeeds(atoll_bus: Bus) -> None:
    failures: list[Exception] = [Unavailable("bank", "took 17 s"), ValueError("order 12 is odd")]

    @on("note.asked", retry=Retry(immediate=0, delayed_s=(5, 5)))
    def fail(event: dict[str, Any], message: Message) -> None:
        if failures:
            raise failures.pop()

    groups = []
    (row,) = atoll_bus.deliver("note.asked", {}, times=1)
    for seconds in (6, 12, 18):
        groups.append((row.status, row.error_group))
        atoll_bus.run_due(timezone.now() + timedelta(seconds=seconds))
        row.refresh_from_db()
    assert groups[0][0] == "pending"
    assert groups[0][1].startswith("ValueError: order # is odd in bus.test_error_fingerprint.")
    assert groups[0][1].endswith(".fail: raise failures.pop()")
    assert groups[1][1].startswith("Unavailable: ")
    assert "17" not in groups[1][1].partition(" in ")[0]
    assert (row.status, row.error_group) == ("done", "")


def _no_stock(number: int, key: str, words: str) -> object:
    raise LookupError(f"order {uuid7()}: {number} pieces of {words}, no {key}")


def _no_field(number: int, key: str, words: str) -> object:
    found: dict[str, Any] = {words: number}
    return found[f"the {key}"]


def _no_card(number: int, key: str, words: str) -> object:
    raise ValueError(f"no card {key} for '{words} {number}' at {timezone.now().isoformat()}")


def _no_answer(number: int, key: str, words: str) -> object:
    try:
        raise TimeoutError(f"after {number / 7:.3f} s")
    except TimeoutError as error:
        raise Unavailable("bank", f"{key} took {number} ms") from error


FAULTS = (_no_stock, _no_field, _no_card, _no_answer)
NAMES = ("carrier", "price", "shelf", "address")
FAULT = st.tuples(st.sampled_from(FAULTS), st.sampled_from(NAMES))


@given(st.lists(st.tuples(FAULT, st.integers(0, 10**9), st.sampled_from(["Ada B.", "Bo, C"])), max_size=40))
def test_failures_share_a_group_if_and_only_if_they_share_a_cause(
    failures: list[tuple[tuple[Any, str], int, str]],
) -> None:
    causes: dict[str, set[Any]] = {}
    for (fault, name), number, words in failures:
        text = words if fault is _no_card else "shoes"
        group = caught(lambda fault=fault, name=name, number=number, text=text: fault(number, name, text))
        causes.setdefault(group, set()).add((fault, name))
    assert all(len(members) == 1 for members in causes.values())
    assert len(causes) == len({cause for cause, _, _ in failures})
