import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from atoll import wire
from atoll.errors import Misuse

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Rank(Enum):
    FIRST = 1


@dataclass(frozen=True)
class Part:
    sku: str
    price: Decimal


@dataclass(frozen=True)
class Whole:
    whole_id: uuid.UUID
    name: str
    count: int
    ratio: float
    total: Decimal
    is_done: bool
    made_at: datetime
    made_on: date
    size: Size
    rank: Rank
    unit: Literal["kg", 1, True]
    parts: list[Part]
    labels: tuple[str, ...]
    by_day: dict[date, int]
    first: Part | None
    mixed: int | str
    anything: Any


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PARTS = st.builds(Part, TEXT, st.decimals(allow_nan=False, allow_infinity=False, places=2))
WHOLES = st.builds(
    Whole,
    whole_id=st.uuids(),
    name=TEXT,
    count=INTEGERS,
    ratio=st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False, min_value=1e-290)
    | st.just(-0.0),
    total=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=4),
    is_done=st.booleans(),
    made_at=MOMENTS,
    made_on=st.dates(),
    size=st.sampled_from(Size),
    rank=st.sampled_from(Rank),
    unit=st.sampled_from(["kg", 1, True]),
    parts=st.lists(PARTS, max_size=3),
    labels=st.lists(TEXT, max_size=3).map(tuple),
    by_day=st.dictionaries(st.dates(), INTEGERS, max_size=3),
    first=st.none() | PARTS,
    mixed=INTEGERS | TEXT,
    anything=JSON_VALUES,
)
WHOLE = Whole(
    uuid.uuid4(), "n", 1, 0.5, Decimal("1.50"), True, datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1),
    Size.SMALL, Rank.FIRST, "kg", [Part("a", Decimal(1))], (), {}, None, 1, None,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow])  # the machine is
@given(WHOLES)
def test_whatever_may_be_announced_is_read_back_as_it_was(whole):
    written = wire.dumps(wire.checked_payload(whole))
    assert wire.from_payload(Whole, wire.loads(written)) == whole


@given(WHOLES)
def test_a_checked_payload_is_the_payload(whole):
    assert wire.checked_payload(whole) == wire.to_payload(whole)


@given(st.sampled_from(list(Whole.__dataclass_fields__)), st.from_type(object) | st.floats() | st.decimals())
@example("unit", Decimal("sNaN"))
def test_any_value_is_written_and_read_back_or_refused_by_its_field(name, value):
    changed = replace(WHOLE, **{name: value})
    refused = None
    try:
        wire.from_payload(Whole, wire.loads(wire.dumps(wire.checked_payload(changed))))
    except wire.SchemaError as error:
        refused = error.field
    assert refused is None or refused.startswith(wire.camel(name))


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"whole_id": "7"}, "wholeId: must be a UUID, not str"),
        ({"name": None}, "name: must be a str, not null"),
        ({"name": "a\0b"}, "name: contains the NUL character"),
        ({"name": "\ud800"}, "name: contains half a surrogate pair"),
        ({"count": 1.0}, "count: must be an int, not float"),
        ({"count": True}, "count: must be an int, not bool"),
        ({"count": 2**63}, "count: does not fit into 64 bits"),
        ({"ratio": float("nan")}, "ratio: is nan, for which JSON has no number"),
        ({"ratio": 5e-324}, "ratio: The number 5e-324 is out of range."),
        ({"total": 1.5}, "total: must be a Decimal, not float"),
        ({"total": Decimal("NaN")}, "total: is NaN, for which JSON has no number"),
        ({"total": Decimal("1e400")}, "total: The number 1E+400 is out of range."),
        ({"is_done": 1}, "isDone: must be a bool, not int"),
        ({"made_at": datetime(2026, 1, 1)}, "madeAt: has no time zone"),  # noqa: DTZ001
        ({"made_at": "2026-01-01T00:00:00Z"}, "madeAt: must be a datetime, not str"),
        ({"made_on": datetime(2026, 1, 1, tzinfo=UTC)}, "madeOn: must be a date, not datetime"),
        ({"size": "small"}, "size: must be a Size, not str"),
        ({"unit": "lb"}, "unit: must be one of kg, 1, True, not 'lb'"),
        ({"parts": None}, "parts: must be a list, not null"),
        ({"parts": [{"sku": "a"}]}, "parts[0]: must be a Part, not dict"),
        ({"parts": [Part("a", Decimal(1)), Part("b", "1")]}, "parts[1].price: must be a Decimal, not str"),
        ({"labels": {"a"}}, "labels: must be a list, not set"),
        ({"by_day": {date(2026, 1, 1): None}}, "byDay.2026-01-01: must be an int, not null"),
        ({"mixed": 1.5}, "mixed: must be a str, not float"),
        ({"anything": {"at": [datetime(2026, 1, 1)]}}, "anything.at[0]: has no time zone"),  # noqa: DTZ001
        ({"anything": {1: 2}}, "anything.1: has the key 1, which is no text"),
        ({"anything": {"b": b"x"}}, "anything.b: bytes cannot be written as JSON"),
    ],
)
def test_what_does_not_fit_its_annotation_is_refused_by_its_path(changes, complaint):
    with pytest.raises(wire.SchemaError) as refused:
        wire.checked_payload(replace(WHOLE, **changes))
    assert refused.value.message == complaint


def test_as_deep_as_a_reader_goes_and_no_deeper():
    deepest = wire.checked_payload(replace(WHOLE, anything=nested(31)))
    assert wire.loads(wire.dumps(deepest))["anything"] == nested(31)
    with pytest.raises(wire.SchemaError, match="nests deeper than the 32 levels"):
        wire.checked_payload(replace(WHOLE, anything=nested(32)))


def test_a_value_that_holds_itself_is_refused():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(wire.SchemaError, match="nests deeper"):
        wire.checked_payload(replace(WHOLE, anything=loop))


@dataclass
class Tree:
    children: "list[Tree]"


def test_a_class_may_hold_instances_of_itself():
    tree = Tree([Tree([]), Tree([Tree([])])])
    assert wire.from_payload(Tree, wire.checked_payload(tree)) == tree


@pytest.mark.parametrize("hint", [set[str], bytes, tuple[int, str], dict[int, str], complex])
def test_an_annotation_without_a_form_on_the_wire_is_a_mistake(hint):
    @dataclass
    class Odd:
        field: hint

    for use in (lambda: wire.checked_payload(Odd(None)), lambda: wire.from_payload(Odd, {"field": None})):
        with pytest.raises(Misuse):
            use()


def test_two_fields_of_one_name_are_a_mistake():
    @dataclass
    class Twins:
        order_id: int
        order__id: int

    with pytest.raises(Misuse, match="the same name on the wire"):
        wire.checked_payload(Twins(1, 2))


def test_a_literal_is_not_mistaken_for_its_number():
    @dataclass
    class Counted:
        count: Literal[1]

    assert wire.from_payload(Counted, {"count": 1}) == Counted(1)
    with pytest.raises(wire.SchemaError):
        wire.from_payload(Counted, {"count": True})
