"""The allowed changes of a published definition, and the changes that need a new version."""

from dataclasses import dataclass, field, make_dataclass, replace
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest

from atoll.bus.schemas import json_schema
from atoll.bus.schemas.definitions import Definition, superseded
from atoll.bus.schemas.evolution import breaking_changes


@dataclass
class Line:
    sku: str
    price: Decimal


@dataclass
class LineWithNote(Line):
    note: str = ""


@dataclass
class LineWithGift(Line):
    gift: bool


@dataclass
class Placed:
    order_id: UUID
    total: Decimal
    lines: list[Line]
    unit: Literal["kg", "lb"]
    customer: Line | None
    note: str | None = None
    labels: dict[str, str] = field(default_factory=dict)


ADVICE = (
    " Only an optional field (one with a default) may be added to a version. Raise `version` in the class "
    'and give every service that reads it an `@upcast("order.placed", from_version=1)`, or undo the change.'
)


def changed(**hints: Any) -> type:
    """Placed with other fields: a hint, a (hint, default) pair, or None for a removed field."""
    held: dict[str, Any] = {
        "order_id": UUID,
        "total": Decimal,
        "lines": list[Line],
        "unit": Literal["kg", "lb"],
        "customer": Line | None,
        "note": (str | None, field(default=None)),
        "labels": (dict[str, str], field(default_factory=dict)),
    }
    fields = {name: hint for name, hint in (held | hints).items() if hint is not None}
    parts = [(name, *(hint if isinstance(hint, tuple) else (hint,))) for name, hint in fields.items()]
    return make_dataclass("Placed", parts, kw_only=True)


def defined(cls: type, version: int = 1, **facts: Any) -> Definition:
    return Definition(
        kind="event",
        name="order.placed",
        version=version,
        schema=json_schema.of_class(cls),
        service="order-service",
        **facts,
    )


OLD = defined(Placed)


def test_an_unchanged_definition_breaks_nothing() -> None:
    assert breaking_changes([OLD], [defined(changed(), summary="Said better.")]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"gift": (bool, False)},
        {"gift": (bool | None, None)},
        {"lines": list[LineWithNote]},
        {"customer": LineWithNote | None},
        {"note": (str | None, "nothing")},
    ],
    ids=["a field with a default", "one that may be null", "one in a list", "one in an object", "a default"],
)
def test_an_optional_field_may_be_added_and_a_default_changed(change: dict[str, Any]) -> None:
    assert breaking_changes([OLD], [defined(changed(**change))]) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"total": None}, "`data.total` is gone"),
        ({"note": None}, "`data.note` is gone"),
        ({"gift": bool}, "`data.gift` is new and required, but messages without it are under way"),
        ({"total": str}, "`data.total` was decimal and is string"),
        ({"total": int}, "`data.total` was decimal and is int64"),
        ({"total": float}, "`data.total` was decimal and is double"),
        ({"order_id": str}, "`data.orderId` was uuid and is string"),
        ({"order_id": UUID | None}, "`data.orderId` was uuid and is uuid or null"),
        ({"note": str | None}, "`data.note` was optional and is required"),
        ({"total": (Decimal, Decimal(0))}, "`data.total` was required and is optional"),
        ({"unit": Literal["kg", "lb", "st"]}, "`data.unit` was one of kg, lb and is one of kg, lb, st"),
        ({"unit": Literal["kg"]}, "`data.unit` was one of kg, lb and is one of kg"),
        ({"lines": list[LineWithGift]}, "`data.lines[].gift` is new and required"),
        ({"lines": Line}, "`data.lines` was an array of object and is object"),
        ({"customer": LineWithGift | None}, "`data.customer.gift` is new and required"),
        ({"customer": Line}, "`data.customer` was object or null and is object"),
        (
            {"labels": (dict[str, int], field(default_factory=dict))},
            "`data.labels` was an object of string and is an object of int64",
        ),
    ],
)
def test_every_other_change_is_refused_with_its_field(change: dict[str, Any], said: str) -> None:
    found = breaking_changes([OLD], [defined(changed(**change))])
    assert [text.startswith(f"order.placed version 1: {said}") for text in found] == [True], found
    assert found[0].endswith(ADVICE)


def test_a_renamed_field_is_one_gone_and_one_new() -> None:
    found = breaking_changes([OLD], [defined(changed(total=None, sum=Decimal))])
    assert [text.split(". ")[0] for text in found] == [
        "order.placed version 1: `data.total` is gone",
        "order.placed version 1: `data.sum` is new and required, but messages without it are under way",
    ]


def test_a_new_version_may_change_everything_while_the_old_one_stays_listed() -> None:
    raised = defined(changed(total=None, sum=Decimal), version=2)
    kept = superseded([raised], [OLD])
    assert kept == [replace(OLD, superseded=True)]
    assert breaking_changes([OLD], [raised, *kept]) == []
    assert "is missing beside version 2" in breaking_changes([OLD], [raised])[0]


def test_a_superseded_version_means_what_it_meant_until_it_is_dropped() -> None:
    raised, kept = defined(Placed, version=2), replace(OLD, superseded=True)
    assert breaking_changes([kept], [raised]) == []
    assert (
        "`data.total` is gone"
        in breaking_changes([kept], [raised, replace(defined(changed(total=None)), superseded=True)])[0]
    )


def test_versions_only_go_up() -> None:
    assert breaking_changes([defined(Placed, version=3)], [defined(Placed, version=2)]) == [
        "order.placed version 3 became version 2. Versions only go up."
    ]


def test_an_event_leaves_after_it_was_deprecated_and_not_before() -> None:
    (refused,) = breaking_changes([OLD], [])
    assert refused.startswith("order.placed version 1 is defined no more.")
    assert breaking_changes([OLD], [replace(OLD, deprecated=True)]) == []
    assert breaking_changes([replace(OLD, deprecated=True)], []) == []


@pytest.mark.parametrize(
    ("change", "breaking"),
    [
        ({"total": None}, False),
        ({"total": (Decimal, Decimal(0))}, False),
        ({"gift": (bool, False)}, False),
        ({"gift": bool}, True),
        ({"note": str | None}, True),
        ({"total": int}, True),
    ],
)
def test_a_reader_of_foreign_messages_may_ask_for_less_and_not_for_more(
    change: dict[str, Any], breaking: bool
) -> None:
    before, after = (replace(item, foreign=True) for item in (OLD, defined(changed(**change))))
    assert bool(breaking_changes([before], [after])) is breaking


def test_reading_foreign_events_may_end_at_once_and_foreign_commands_after_a_deprecation() -> None:
    event = replace(OLD, foreign=True)
    command = replace(event, kind="command", name="place.order", to="order-service")
    assert breaking_changes([event], []) == []
    assert "place.order version 1 is defined no more." in breaking_changes([command], [])[0]
    assert breaking_changes([replace(command, deprecated=True)], []) == []


def test_a_foreign_event_may_become_ours_but_ours_never_foreign() -> None:
    foreign = replace(defined(changed(sum=Decimal)), foreign=True)
    assert breaking_changes([foreign], [OLD]) == []
    assert "order.placed version 1 is defined no more." in breaking_changes([OLD], [foreign])[0]
