"""The JSON Schemas of payload classes match the data that the classes write and read."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Literal, NewType
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, FormatChecker

from atoll import wire
from atoll.bus.schemas import json_schema
from atoll.errors import Misuse

Sku = NewType("Sku", str)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
# Closer to zero than 1e-308 is refused on the wire.
FLOATS = st.floats(-1e9, 1e9).filter(lambda number: number == 0 or abs(number) > 1e-290)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
CHECKER = FormatChecker(formats=["uuid", "date"])


@CHECKER.checks("date-time", raises=ValueError)
def with_zone(text: object) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Rank(IntEnum):
    FIRST = 1
    SECOND = 2


@dataclass(frozen=True)
class Part:
    sku: Sku
    price: Decimal
    seen_on: date | None = None


@dataclass(frozen=True)
class Whole:
    whole_id: UUID
    name: str
    count: int
    ratio: float
    total: Decimal
    is_done: bool
    made_at: datetime
    size: Size
    rank: Rank
    unit: Literal["kg", "lb"]
    parts: list[Part]
    by_day: dict[date, int]
    first: Part | None
    note: str | None
    mixed: int | str
    anything: Any
    labels: tuple[str, ...] = ("new",)
    extra: dict[str, Any] = field(default_factory=dict)
    price: Decimal = Decimal("9.50")


PARTS = st.builds(Part, TEXT, st.decimals(-(10**9), 10**9, places=2), st.none() | st.dates())
WHOLES = st.builds(
    Whole,
    whole_id=st.uuids(),
    name=TEXT,
    count=INTEGERS,
    ratio=st.floats(-1e12, 1e12, allow_subnormal=False).filter(
        lambda value: value == 0 or abs(value) > 1e-290
    ),
    total=st.decimals(-(10**9), 10**9, places=4),
    is_done=st.booleans(),
    made_at=MOMENTS,
    size=st.sampled_from(Size),
    rank=st.sampled_from(Rank),
    unit=st.sampled_from(["kg", "lb"]),
    parts=st.lists(PARTS, max_size=3),
    by_day=st.dictionaries(st.dates(), INTEGERS, max_size=3),
    first=st.none() | PARTS,
    note=st.none() | TEXT,
    mixed=INTEGERS | TEXT,
    anything=st.none() | TEXT | st.lists(INTEGERS, max_size=3),
)
WHOLE = Whole(
    uuid4(), "n", 1, 0.5, Decimal("1.50"), True, datetime(2026, 1, 1, tzinfo=UTC), Size.SMALL, Rank.FIRST,
    "kg", [Part(Sku("a"), Decimal(1))], {date(2026, 1, 1): 1}, None, None, 1, None,
)  # fmt: skip
SCHEMA = json_schema.of_class(Whole)
VALIDATOR = Draft7Validator(SCHEMA, format_checker=CHECKER)
TELLING = ["small", "kg", "2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00", str(uuid4()), 1.0, 2]
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT | FLOATS | st.sampled_from(TELLING),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["sku", "price", "seenOn", "2026-01-01"]) | TEXT, inner, max_size=3)
    ),
    max_leaves=6,
)


def as_read(payload: dict[str, Any]) -> Any:
    return json.loads(wire.dumps(payload))


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(SCHEMA)


@given(WHOLES)
def test_the_data_of_a_class_is_valid(whole: Whole) -> None:
    VALIDATOR.validate(as_read(wire.to_payload(whole)))


@given(st.sampled_from(sorted(SCHEMA["properties"])), VALUES)
def test_valid_data_can_be_read(name: str, value: Any) -> None:
    document = as_read(wire.to_payload(WHOLE)) | {name: value}
    readable = True
    try:
        wire.from_payload(Whole, wire.loads(wire.dumps(document)))
    except wire.SchemaError:
        readable = False
    assert readable or not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("name", sorted(SCHEMA["properties"]))
def test_valid_and_readable_agree_on_what_may_be_missing(name: str) -> None:
    document = as_read(wire.to_payload(replace(WHOLE)))
    del document[name]
    assert VALIDATOR.is_valid(document) == (name in ("labels", "extra", "price"))


def test_every_type_has_one_form() -> None:
    nullable_part = {
        "title": "Part",
        "type": "object",
        "properties": {
            "sku": {"type": "string"},
            "price": {"type": "number", "format": "decimal"},
            "seenOn": {"type": ["string", "null"], "format": "date", "default": None},
        },
        "required": ["sku", "price"],
    }
    assert SCHEMA["properties"] == {
        "wholeId": {"type": "string", "format": "uuid"},
        "name": {"type": "string"},
        "count": {"type": "integer", "format": "int64"},
        "ratio": {"type": "number", "format": "double"},
        "total": {"type": "number", "format": "decimal"},
        "isDone": {"type": "boolean"},
        "madeAt": {"type": "string", "format": "date-time"},
        "size": {"type": "string", "enum": ["small", "large"]},
        "rank": {"type": "integer", "enum": [1, 2]},
        "unit": {"type": "string", "enum": ["kg", "lb"]},
        "parts": {"type": "array", "items": nullable_part},
        "byDay": {
            "type": "object",
            "propertyNames": {"type": "string", "format": "date"},
            "additionalProperties": {"type": "integer", "format": "int64"},
        },
        "first": {"anyOf": [nullable_part, {"type": "null"}]},
        "note": {"type": ["string", "null"]},
        "mixed": {"anyOf": [{"type": "integer", "format": "int64"}, {"type": "string"}]},
        "anything": {},
        "labels": {"type": "array", "items": {"type": "string"}, "default": ["new"]},
        "extra": {"type": "object", "additionalProperties": {}, "default": {}},
        "price": {"type": "number", "format": "decimal", "default": 9.5},
    }


@dataclass
class Loop:
    inner: "list[Loop]"


@dataclass
class Odd:
    tags: set[str]


@pytest.mark.parametrize(
    ("cls", "said"), [(Loop, "no end"), (Odd, "Odd.tags: set.* has no form on the wire")]
)
def test_a_class_without_a_schema_is_named(cls: type, said: str) -> None:
    with pytest.raises(Misuse, match=said):
        json_schema.of_class(cls)
