import json
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum

import pytest
from django.utils.translation import gettext_lazy

from atoll import wire


class Colour(Enum):
    RED = "red"


@dataclass
class Line:
    product_id: uuid.UUID
    unit_price: Decimal


@dataclass
class Basket:
    placed_at: datetime
    lines: list[Line]
    notes_by_sku: dict[str, str]


PRODUCT = uuid.UUID("01a2061b-478a-7783-8423-c46ab3baa7a8")
NOON = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def test_every_type_of_the_platform_has_one_spelling():
    written = wire.dumps(
        [
            Decimal("19.90"),
            Decimal("12345678901234567890.123"),
            PRODUCT,
            NOON,
            date(2026, 11, 23),
            Colour.RED,
            gettext_lazy("lazy"),
            (1, 2),
            "é",
        ]
    )
    assert written.decode() == (
        '[19.90,12345678901234567890.123,"01a2061b-478a-7783-8423-c46ab3baa7a8",'
        '"2026-11-23T10:00:00.000Z","2026-11-23","red","lazy",[1,2],"é"]'
    )


def test_a_dataclass_is_written_in_camel_case_and_keys_that_are_data_stay():
    basket = Basket(NOON, [Line(PRODUCT, Decimal("1.50"))], {"sku_1": "fragile"})
    assert json.loads(wire.dumps(basket)) == {
        "placedAt": "2026-11-23T10:00:00.000Z",
        "lines": [{"productId": str(PRODUCT), "unitPrice": 1.5}],
        "notesBySku": {"sku_1": "fragile"},
    }


def test_times_are_written_in_utc_with_milliseconds():
    east = timezone(timedelta(hours=5, minutes=30))
    assert wire.timestamp(datetime(2026, 1, 1, 2, 0, 0, 123999, tzinfo=east)) == "2025-12-31T20:30:00.123Z"


def test_a_time_without_zone_is_a_mistake():
    with pytest.raises(ValueError, match="no time zone"):
        wire.timestamp(datetime(2026, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity")])
def test_what_json_has_no_number_for_is_refused(value):
    with pytest.raises(ValueError):
        wire.dumps([value])


def test_an_unknown_type_is_refused_by_name():
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        wire.dumps(object())


def test_text_that_looks_like_a_number_stays_text():
    assert wire.dumps({"sku": "19.90", "price": Decimal("19.90")}) == b'{"sku":"19.90","price":19.90}'


@pytest.mark.parametrize(
    ("python", "on_the_wire"),
    [("order_id", "orderId"), ("id", "id"), ("x_2_y", "x2Y"), ("_private", "_private"), ("a__b", "aB")],
)
def test_names_become_camel_case(python, on_the_wire):
    assert wire.camel(python) == on_the_wire


@pytest.mark.parametrize(
    ("on_the_wire", "python"),
    [("orderId", "order_id"), ("order_id", "order_id"), ("HTTPStatus", "http_status")],
)
def test_names_become_snake_case(on_the_wire, python):
    assert wire.underscore(on_the_wire) == python


def test_names_are_turned_at_every_depth():
    deep = {"orderLines": [{"productId": 1, "giftNote": {"fromWhom": "Ada"}}]}
    assert wire.underscoreize(deep) == {"order_lines": [{"product_id": 1, "gift_note": {"from_whom": "Ada"}}]}
    assert wire.camelize(wire.underscoreize(deep)) == deep


def test_two_spellings_of_one_name_in_one_object_are_refused():
    with pytest.raises(wire.WireError) as refused:
        wire.underscoreize({"userId": "mine", "user_id": "yours"})
    assert refused.value.code == "duplicate_key"
