"""The products API over HTTP: who may, what comes back, and what bad input gets."""

from decimal import Decimal
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from services.products.models import Product, StockMovement
from services.products.usecases.changes import EDITABLE

CUP = {"sku": "CUP-1", "name": "Cup", "category": "kitchen", "price": 7.5}
FIELDS = {
    "id", "sku", "name", "description", "category", "price", "currency", "stock", "stockOnHand",
    "stockReserved", "isActive", "createdAt", "updatedAt",
}  # fmt: skip


@pytest.fixture
def anyone(trusted_test_key):
    return APIClient()


def skus(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["sku"] for row in answer.json()]


def test_anyone_reads_a_product(anyone, make_product):
    product = make_product(name="Cup", price=Decimal("7.50"), stock_on_hand=5, stock_reserved=2)

    answer = anyone.get(f"/products/{product.id}")

    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == FIELDS
    assert body["id"] == str(product.id)
    assert (body["stock"], body["stockOnHand"], body["stockReserved"]) == (3, 5, 2)
    assert b'"price":7.50' in answer.content
    assert body["createdAt"].endswith("Z")


@pytest.mark.parametrize("path", ["/products/{}", "/products/{}/", "/products/no-id"])
def test_an_unknown_product_is_404_in_the_error_shape(anyone, db, path):
    answer = anyone.get(path.format(uuid4()))

    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "message", "code", "correlationId", "details"}


def test_the_list_is_an_array_with_paging_headers(anyone, make_product):
    for _ in range(3):
        make_product()

    answer = anyone.get("/products?page=2&pageSize=2&ordering=name")

    assert skus(answer) == ["TST-0003"]
    assert answer["X-Total-Count"] == "3"
    assert 'rel="prev"' in answer["Link"]
    assert set(answer.json()[0]) == FIELDS
    assert skus(anyone.get("/products?page=99")) == []


def test_search_filters_and_ordering_come_from_the_query(anyone, make_product):
    make_product(sku="A", name="Red cup", category="kitchen", price=Decimal("5.00"))
    make_product(sku="B", name="Blue cup", category="kitchen", price=Decimal("9.00"), stock_on_hand=0)
    make_product(sku="C", name="Red bag", category="bags", price=Decimal("30.00"))

    assert skus(anyone.get("/products?search=cup&ordering=-price")) == ["B", "A"]
    assert skus(anyone.get("/products?search=red&category=bags")) == ["C"]
    assert skus(anyone.get("/products?minPrice=5.01&maxPrice=30")) == ["B", "C"]
    assert skus(anyone.get("/products?inStock=true&category=kitchen")) == ["A"]
    assert skus(anyone.get("/products?search=piano")) == []
    assert skus(anyone.get("/products?search=")) == ["B", "C", "A"]


def test_a_batch_of_ids_comes_back_whole_without_strangers(anyone, make_product):
    made = [make_product() for _ in range(30)]
    gone = make_product(is_active=False)
    ids = [str(product.id) for product in made] + [str(gone.id), str(uuid4())]

    answer = anyone.get("/products", {"ids": ",".join(ids)})

    assert sorted(skus(answer)) == sorted(product.sku for product in made)
    assert answer["X-Total-Count"] == "30"
    assert len(anyone.get("/products", {"ids": ",".join(ids), "pageSize": 7}).json()) == 7


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


def test_a_product_that_left_the_catalogue_is_for_staff_only(anyone, as_user, as_staff, make_product):
    gone = make_product(is_active=False)

    assert anyone.get(f"/products/{gone.id}").status_code == 404
    assert as_user().get(f"/products/{gone.id}").status_code == 404
    assert as_staff().get(f"/products/{gone.id}").json()["isActive"] is False
    assert skus(as_staff().get("/products")) == []
    assert skus(as_staff().get("/products?isActive=false")) == [gone.sku]
    assert as_user().get("/products?isActive=false").status_code == 403
    assert anyone.get("/products?isActive=false").status_code == 403


@pytest.mark.parametrize(
    ("who", "status"), [("nobody", 401), ("user", 403), ("service", 403), ("broken", 403)]
)
def test_only_staff_write(anyone, as_user, as_service, make_product, bus, who, status):
    broken = APIClient()
    broken.credentials(HTTP_AUTHORIZATION="Bearer not.a.token")
    client = {"nobody": anyone, "broken": broken}.get(who) or {"user": as_user, "service": as_service}[who]()
    product = make_product(name="Cup")
    path = f"/products/{product.id}"

    answers = [
        client.post("/products", CUP),
        client.patch(path, {"name": "Mug"}),
        client.delete(path),
        client.post(f"{path}/stock", {"amount": 5, "reason": "gift"}),
    ]

    assert [answer.status_code for answer in answers] == [status] * 4
    assert list(Product.objects.values_list("name", "stock_on_hand", "is_active")) == [("Cup", 10, True)]
    assert bus.published() == []


def test_staff_create_a_product_once_per_key(as_staff, db, bus):
    client = as_staff()

    first = client.post("/products", {**CUP, "stockOnHand": 4}, HTTP_IDEMPOTENCY_KEY="cup")
    again = client.post("/products", {**CUP, "stockOnHand": 4}, HTTP_IDEMPOTENCY_KEY="cup")
    other = client.post("/products", {**CUP, "stockOnHand": 5}, HTTP_IDEMPOTENCY_KEY="cup")

    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()
    assert set(first.json()) == FIELDS
    assert again["Idempotency-Replayed"] == "true"
    assert first["Location"] == f"/products/{first.json()['id']}"
    assert Product.objects.count() == 1
    assert len(bus.published("product.created")) == 1


def test_a_taken_sku_is_409(as_staff, make_product):
    taken = make_product()

    answers = [
        as_staff().post("/products", CUP | {"sku": taken.sku}),
        as_staff().patch(f"/products/{make_product().id}", {"sku": taken.sku}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "sku_taken")] * 2


BAD_VALUES = [
    ("sku", 5), ("sku", "cup 1"), ("sku", ""), ("sku", "A" * 41), ("sku", None), ("sku", ["A"]),
    ("name", ""), ("name", 7), ("name", "x" * 201), ("name", None), ("name", {"en": "Cup"}),
    ("description", "x" * 5001), ("description", 1.5), ("category", "Home & Garden"), ("category", True),
    ("price", 0), ("price", -1), ("price", 1.005), ("price", 1e9), ("price", "7.50"), ("price", True),
    ("price", None), ("price", []), ("currency", "eur"), ("currency", "EURO"), ("currency", 1),
    ("isActive", 1), ("isActive", "true"), ("isActive", None),
    ("id", str(uuid4())), ("stock", 5), ("stockReserved", 1), ("colour", "red"),
    ("createdAt", "2026-01-01T00:00:00Z"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), BAD_VALUES)
def test_bad_fields_are_400_by_name_and_change_nothing(as_staff, make_product, bus, field, value):
    product = make_product(name="Pot")

    created = as_staff().post("/products", CUP | {field: value})
    changed = as_staff().patch(f"/products/{product.id}", {"name": "Mug"} | {field: value})

    for answer in (created, changed):
        assert answer.status_code == 400, answer.content
        assert list(answer.json()["details"]) == [field]
    assert list(Product.objects.values_list("name", flat=True)) == ["Pot"]
    assert bus.published() == []


@pytest.mark.parametrize("stock", [-1, 1.5, "3", 10**10, None, True])
def test_a_first_stock_that_is_no_count_is_400(as_staff, db, stock):
    assert as_staff().post("/products", CUP | {"stockOnHand": stock}).status_code == 400
    assert Product.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"7", b'{"price": NaN}', b'{"price": Infinity}', b'{"price": 1e400}',
        b'{"name": "a", "name": "b"}', b'{"name": "\\u0000"}', b'{"name": "\\ud800"}', b"\xff",
        b"[" * 100 + b"]" * 100, b"[]", b'{"price": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_a_body_that_is_no_sound_json_object_is_400(as_staff, make_product, body):
    product = make_product(name="Pot")

    created = as_staff().post("/products", body, content_type="application/json")
    changed = as_staff().patch(f"/products/{product.id}", body, content_type="application/json")

    assert created.status_code == 400
    assert changed.status_code == (200 if body == b"" else 400)
    assert list(Product.objects.values_list("name", "price")) == [("Pot", Decimal("10.00"))]


def test_a_body_that_is_too_large_is_413(as_staff, db):
    assert as_staff().post("/products", CUP | {"description": "x" * 1_100_000}).status_code == 413
    assert Product.objects.count() == 0


def test_staff_change_single_fields(as_staff, make_product, bus):
    product = make_product(name="Pot", price=Decimal("10.00"))

    answer = as_staff().patch(f"/products/{product.id}", {"price": 12, "description": "Big."})

    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["price"], answer.json()["description"]) == (
        "Pot",
        12.0,
        "Big.",
    )
    assert bus.published("product.updated")[0]["data"]["changes"] == {"price": 12, "description": "Big."}


def test_stock_is_no_field_to_change(as_staff, make_product):
    product = make_product(stock_on_hand=10)

    answer = as_staff().patch(f"/products/{product.id}", {"stockOnHand": 99})

    assert answer.status_code == 400
    assert Product.objects.get().stock_on_hand == 10
    assert "stock_on_hand" not in EDITABLE


def test_deleting_twice_is_204_twice_and_one_event(as_staff, make_product, bus):
    product = make_product()

    answers = [as_staff().delete(f"/products/{product.id}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert Product.objects.get().is_active is False
    assert len(bus.published("product.deleted")) == 1
    assert as_staff().delete(f"/products/{uuid4()}").status_code == 404


def test_staff_book_stock_with_a_reason_once_per_key(as_staff, make_product):
    product, staff_id = make_product(stock_on_hand=10), uuid4()
    client = as_staff(staff_id)

    for _ in range(2):
        answer = client.post(
            f"/products/{product.id}/stock", {"amount": 5, "reason": "delivery"}, HTTP_IDEMPOTENCY_KEY="d1"
        )
        assert (answer.status_code, answer.json()["stockOnHand"]) == (200, 15)

    assert list(StockMovement.objects.values_list("amount", "reason", "actor")) == [
        (5, "delivery", f"user:{staff_id}")
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"amount": 0, "reason": "x"}, 400), ({"amount": 5}, 400), ({"amount": 5, "reason": ""}, 400),
        ({"amount": "5", "reason": "x"}, 400), ({"amount": 1.5, "reason": "x"}, 400),
        ({"amount": 10**12, "reason": "x"}, 400), ({"amount": 5, "reason": "x", "actor": "me"}, 400),
        ({"amount": -11, "reason": "x"}, 409), ({"amount": 10**9, "reason": "x"}, 409),
    ],
)  # fmt: skip
def test_stock_that_cannot_be_booked_changes_nothing(as_staff, make_product, body, status):
    product = make_product(stock_on_hand=10)

    assert as_staff().post(f"/products/{product.id}/stock", body).status_code == status
    assert Product.objects.get().stock_on_hand == 10
    assert StockMovement.objects.count() == 0


def test_methods_without_meaning_are_405(as_staff, make_product):
    product = make_product()
    assert as_staff().put(f"/products/{product.id}", CUP).status_code == 405
    assert as_staff().delete("/products").status_code == 405


def test_the_openapi_document_tells_the_truth(anyone, db):
    document = anyone.get("/schema").json()

    schemas, paths = document["components"]["schemas"], document["paths"]
    assert set(schemas["Product"]["properties"]) == FIELDS
    asked = {parameter["name"] for parameter in paths["/products"]["get"]["parameters"]}
    assert asked == {
        "search", "category", "minPrice", "maxPrice", "inStock", "isActive", "ordering", "ids", "page",
        "pageSize",
    }  # fmt: skip
    listed = paths["/products"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schemas[listed["$ref"].rpartition("/")[2]] == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/Product"},
    }
    assert "stockOnHand" in schemas["NewProduct"]["properties"]
    assert "stockOnHand" not in schemas["PatchedProductChanges"]["properties"]
    assert {path for path in paths if path.startswith("/products")} == {
        "/products", "/products/{product_id}", "/products/{product_id}/stock",
    }  # fmt: skip
