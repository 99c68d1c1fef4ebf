"""Bad input over HTTP: refused in the error shape, by name, and nothing changes."""

from decimal import Decimal
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from services.products.models import Product

CUP = {"sku": "CUP-1", "name": "Cup", "category": "kitchen", "price": 7.5}


@pytest.fixture
def anyone(atoll_trusted_test_key):
    return APIClient()


@pytest.mark.parametrize(
    "query",
    [
        "minPrice=NaN", "minPrice=-1", "minPrice=1e999", "minPrice=Infinity", "maxPrice=cheap",
        "maxPrice=1.999", "minPrice=" + "9" * 400, "minPrice=5&maxPrice=4", "inStock=perhaps",
        "ordering=colour",
        "category=A%20B", "search=" + "x" * 201, "page=0", "page=-1",
        "page=x", "pageSize=0", "page=" + "9" * 30, "colour=red", "category=a&category=b", "ids=",
        "ids=1,2", "ids=x&search=cup", "ids=" + ",".join(["0199a1b2-0000-7000-8000-000000000000"] * 101),
    ],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_400(anyone, db, query):
    answer = anyone.get(f"/products?{query}")

    assert answer.status_code == 400, answer.content
    assert answer.json()["details"]


@pytest.mark.parametrize("query", ["category=%00", "search=%00", "search=cup%00", "ids=%00", "%00=1"])
def test_a_nul_in_the_query_is_400(anyone, db, query):
    assert anyone.get(f"/products?{query}").status_code == 400


BAD_VALUES = [
    ("sku", 5), ("sku", "cup 1"), ("sku", ""), ("sku", "A" * 41), ("sku", None), ("sku", ["A"]),
    ("name", ""), ("name", 7), ("name", "x" * 201), ("name", None), ("name", {"en": "Cup"}),
    ("name", "\u200b\ufeff"), ("name", "\u202egnp.Cup"), ("description", "\u2060"), ("description", "a\x07"),
    ("description", "x" * 5001), ("description", 1.5), ("category", "Home & Garden"), ("category", True),
    ("price", 0), ("price", -1), ("price", 1.005), ("price", 1e9), ("price", "7.50"), ("price", True),
    ("price", None), ("price", []), ("currency", "eur"), ("currency", "EURO"), ("currency", 1),
    ("isActive", 1), ("isActive", "true"), ("isActive", None),
    ("id", str(uuid4())), ("stock", 5), ("stockReserved", 1), ("colour", "red"),
    ("createdAt", "2026-01-01T00:00:00Z"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), BAD_VALUES)
def test_bad_fields_are_400_by_name_and_change_nothing(atoll_as_staff, make_product, atoll_bus, field, value):
    product = make_product(name="Pot")

    created = atoll_as_staff().post("/products", CUP | {field: value})
    changed = atoll_as_staff().patch(f"/products/{product.id}", {"name": "Mug"} | {field: value})

    for answer in (created, changed):
        assert answer.status_code == 400, answer.content
        assert list(answer.json()["details"]) == [field]
    assert list(Product.objects.values_list("name", flat=True)) == ["Pot"]
    assert atoll_bus.published() == []


@pytest.mark.parametrize("stock", [-1, 1.5, "3", 10**10, None, True])
def test_a_first_stock_that_is_no_count_is_400(atoll_as_staff, db, stock):
    assert atoll_as_staff().post("/products", CUP | {"stockOnHand": stock}).status_code == 400
    assert Product.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"7", b'{"price": NaN}', b'{"price": Infinity}', b'{"price": 1e400}',
        b'{"name": "a", "name": "b"}', b'{"name": "\\u0000"}', b'{"name": "\\ud800"}', b"\xff",
        b"[" * 100 + b"]" * 100, b"[]", b'{"price": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_a_body_that_is_no_sound_json_object_is_400(atoll_as_staff, make_product, body):
    product = make_product(name="Pot")

    created = atoll_as_staff().post("/products", body, content_type="application/json")
    changed = atoll_as_staff().patch(f"/products/{product.id}", body, content_type="application/json")

    assert created.status_code == 400
    assert changed.status_code == (200 if body == b"" else 400)
    assert list(Product.objects.values_list("name", "price")) == [("Pot", Decimal("10.00"))]


def test_a_body_that_is_too_large_is_413(atoll_as_staff, db):
    assert atoll_as_staff().post("/products", CUP | {"description": "x" * 1_100_000}).status_code == 413
    assert Product.objects.count() == 0
