"""The difference of two tables in words."""

from typing import Any

import pytest

from gateway.draft.changes import words
from gateway.tests.harness import row, table

ARROW = "\u2192"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"timeout_s": 10}, {"timeout_s": 0.5}, f"time-out 10 s {ARROW} 0.5 s"),
        ({"max_body_bytes": 1048576}, {"max_body_bytes": 1000}, f"largest body 1 MiB {ARROW} 1,000 bytes"),
        ({"rate_limit": 0}, {"rate_limit": 6000}, f"limit none {ARROW} 6,000"),
        ({"service_path": ""}, {"service_path": "/a"}, f"path at the service none {ARROW} /a"),
        ({"access": "public"}, {"access": "signed_in"}, f"who public {ARROW} signed_in"),
        ({"methods": ["GET", "PUT"]}, {"methods": ["GET", "POST"]}, "methods: with POST, without PUT"),
    ],
)
def test_a_changed_field_has_its_name_and_units(
    before: dict[str, Any], after: dict[str, Any], told: str
) -> None:
    assert words(table(row("one", "/one", **before)), table(row("one", "/one", **after))) == [f"one: {told}"]


def test_added_and_removed_rows_and_several_fields() -> None:
    old = table(row("one", "/one"), row("two", "/two"))
    new = table(row("two", "/two", timeout_s=1, priority=3), row("three", "/three"), cors={"max_age_s": 5})

    assert words(old, new) == [
        "one: removed",
        "three: added (prefix /three; service product-service; path at the service /three; who public)",
        f"two: time-out 5 s {ARROW} 1 s; priority 0 {ARROW} 3",
        f"cross-origin rules: preflight kept for 600 s {ARROW} 5 s",
    ]


def test_the_order_of_rows_and_a_value_that_an_old_table_left_out_are_no_changes() -> None:
    one, two = row("one", "/one"), row("two", "/two")
    old = {name: value for name, value in one.items() if name != "roles"}

    assert words(table(one, two), table(two, one)) == []
    assert words(table(old), table(one)) == []


def test_everything_is_new_before_the_first_publication() -> None:
    assert [text.split(":")[0] for text in words(None, table(row("one", "/one")))] == [
        "one",
        "aggregate dashboard",
    ]


def test_a_table_that_is_not_valid_any_more_can_still_be_compared() -> None:
    old = table(row("one", "/one", access="gone"))

    assert words(old, table(row("one", "/one"))) == [f"one: who gone {ARROW} public"]


def test_concealed_values_are_never_shown() -> None:
    def keys(digest: str) -> dict[str, Any]:
        return {"version": 1, "consumers": [{"name": "ci", "keys": [{"id": "k1", "digest": digest}]}]}

    [told] = words(keys("aaaa"), keys("bbbb"))
    assert told == "consumer ci: key k1: digest changed"
