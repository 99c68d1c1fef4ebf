import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Literal

import pytest

from atoll import wire
from atoll.errors import Misuse


class Method(Enum):
    CARD = "card"


@dataclass(frozen=True)
class Item:
    product_id: uuid.UUID
    quantity: int


@dataclass(frozen=True)
class Placed:
    type: ClassVar[str] = "order.placed"
    order_id: uuid.UUID
    items: list[Item]
    total: Decimal
    placed_at: datetime
    method: Method = Method.CARD
    currency: Literal["EUR", "USD"] = "EUR"
    note: str | None = None
    is_gift: bool = False
    labels: dict[str, int] = field(default_factory=dict)
    extra: Any = None


ORDER, PRODUCT = uuid.uuid4(), uuid.uuid4()
PLACED = Placed(
    ORDER,
    [Item(PRODUCT, 2)],
    Decimal("39.80"),
    datetime(2026, 11, 23, 10, 0, tzinfo=UTC),
    note="ring twice",
    labels={"sku_1": 3},
)


def payload(**changes: object) -> dict[str, Any]:
    return wire.loads(wire.dumps(wire.to_payload(PLACED))) | changes


def test_a_payload_comes_back_as_the_same_object():
    assert wire.from_payload(Placed, payload()) == PLACED


def test_class_variables_are_not_sent():
    assert "type" not in wire.to_payload(PLACED)


def test_fields_the_reader_does_not_know_are_ignored_and_defaults_fill_in():
    least = {
        "orderId": str(ORDER),
        "items": [],
        "total": 5,
        "placedAt": "2026-11-23T10:00:00Z",
        "addedNextYear": [1, 2],
    }
    read = wire.from_payload(Placed, least)
    assert (read.total, read.items, read.note, read.method) == (Decimal(5), [], None, Method.CARD)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"orderId": "7"}, "orderId"),
        ({"orderId": None}, "orderId"),
        ({"total": "a lot"}, "total"),
        ({"total": True}, "total"),
        ({"total": "NaN"}, "total"),
        ({"placedAt": "2026-11-23T10:00:00"}, "placedAt"),
        ({"placedAt": 1700000000}, "placedAt"),
        ({"items": {}}, "items"),
        (
            {"items": [{"productId": str(PRODUCT), "quantity": 1}, {"productId": str(PRODUCT)}]},
            "items[1].quantity",
        ),
        ({"items": [{"productId": str(PRODUCT), "quantity": 1.5}]}, "items[0].quantity"),
        ({"items": [{"productId": str(PRODUCT), "quantity": True}]}, "items[0].quantity"),
        ({"items": [7]}, "items[0]"),
        ({"method": "shells"}, "method"),
        ({"currency": "GBP"}, "currency"),
        ({"note": 7}, "note"),
        ({"isGift": 1}, "isGift"),
        ({"labels": {"a": "b"}}, "labels.a"),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(changes, named):
    with pytest.raises(wire.SchemaError) as refused:
        wire.from_payload(Placed, payload(**changes))
    assert refused.value.field == named
    assert refused.value.details == {"field": named}


def test_a_missing_field_is_refused_by_its_path():
    short = payload()
    del short["total"]
    with pytest.raises(wire.SchemaError, match="total: is missing"):
        wire.from_payload(Placed, short)


@dataclass(frozen=True)
class Span:
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError("ends before it begins")


@dataclass(frozen=True)
class Spans:
    spans: list[Span]


def test_a_class_may_refuse_values_that_do_not_go_together():
    fits = {"spans": [{"first": 1, "last": 2}]}
    assert wire.from_payload(Spans, fits) == Spans([Span(1, 2)])
    with pytest.raises(wire.SchemaError, match=r"spans\[1\]: ends before it begins"):
        wire.from_payload(Spans, {"spans": [*fits["spans"], {"first": 2, "last": 1}]})


@pytest.mark.parametrize("data", [None, [], "x", 5])
def test_data_that_is_no_object_is_refused(data):
    with pytest.raises(wire.SchemaError, match="data: must be an object"):
        wire.from_payload(Placed, data)


@dataclass(frozen=True)
class Renamed:
    class_: str = field(metadata={"wire": "class"})
    order_id: int = 0


def test_a_field_may_name_its_name_on_the_wire():
    data = {"class": "first", "orderId": 3}
    assert wire.from_payload(Renamed, data) == Renamed("first", 3)
    assert wire.checked_payload(Renamed("first", 3)) == wire.to_payload(Renamed("first", 3)) == data
    with pytest.raises(wire.SchemaError, match="class: is missing"):
        wire.from_payload(Renamed, {"class_": "first"})


@dataclass(frozen=True)
class Twice:
    order_id: int
    other: int = field(metadata={"wire": "orderId"})


def test_two_fields_with_one_name_on_the_wire_are_refused():
    with pytest.raises(Misuse, match="the same name on the wire"):
        wire.from_payload(Twice, {"orderId": 1})
