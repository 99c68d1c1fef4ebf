"""The HTTP API of products: permissions, answers and bad input."""

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
def anyone(atoll_trusted_test_key):
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


def test_a_product_that_left_the_catalogue_is_for_staff_only(
    anyone, atoll_as_user, atoll_as_staff, make_product
):
    gone = make_product(is_active=False)

    assert anyone.get(f"/products/{gone.id}").status_code == 404
    assert atoll_as_user().get(f"/products/{gone.id}").status_code == 404
    assert atoll_as_staff().get(f"/products/{gone.id}").json()["isActive"] is False
    assert skus(atoll_as_staff().get("/products")) == []
    assert skus(atoll_as_staff().get("/products?isActive=false")) == [gone.sku]
    assert atoll_as_user().get("/products?isActive=false").status_code == 403
    assert anyone.get("/products?isActive=false").status_code == 403


@pytest.mark.parametrize(
    ("who", "status"), [("nobody", 401), ("user", 403), ("service", 403), ("broken", 403)]
)
def test_only_staff_write(anyone, atoll_as_user, atoll_as_service, make_product, atoll_bus, who, status):
    broken = APIClient()
    broken.credentials(HTTP_AUTHORIZATION="Bearer not.a.token")
    client = {"nobody": anyone, "broken": broken}.get(who) or {
        "user": atoll_as_user,
        "service": atoll_as_service,
    }[who]()
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
    assert atoll_bus.published() == []


def test_staff_create_a_product_once_per_key(atoll_as_staff, db, atoll_bus):
    client = atoll_as_staff()

    first = client.post("/products", {**CUP, "stockOnHand": 4}, HTTP_IDEMPOTENCY_KEY="cup")
    again = client.post("/products", {**CUP, "stockOnHand": 4}, HTTP_IDEMPOTENCY_KEY="cup")
    other = client.post("/products", {**CUP, "stockOnHand": 5}, HTTP_IDEMPOTENCY_KEY="cup")

    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == again.json()
    assert set(first.json()) == FIELDS
    assert again["Idempotency-Replayed"] == "true"
    assert first["Location"] == f"/products/{first.json()['id']}"
    assert Product.objects.count() == 1
    assert len(atoll_bus.published("product.created")) == 1


def test_a_taken_sku_is_409(atoll_as_staff, make_product):
    taken = make_product()

    answers = [
        atoll_as_staff().post("/products", CUP | {"sku": taken.sku}),
        atoll_as_staff().patch(f"/products/{make_product().id}", {"sku": taken.sku}),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "sku_taken")] * 2


def test_staff_change_single_fields(atoll_as_staff, make_product, atoll_bus):
    product = make_product(name="Pot", price=Decimal("10.00"))

    answer = atoll_as_staff().patch(f"/products/{product.id}", {"price": 12, "description": "Big."})

    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["price"], answer.json()["description"]) == (
        "Pot",
        12.0,
        "Big.",
    )
    assert atoll_bus.published("product.updated")[0]["data"]["changes"] == {
        "price": 12,
        "description": "Big.",
    }


def test_stock_is_no_field_to_change(atoll_as_staff, make_product):
    product = make_product(stock_on_hand=10)

    answer = atoll_as_staff().patch(f"/products/{product.id}", {"stockOnHand": 99})

    assert answer.status_code == 400
    assert Product.objects.get().stock_on_hand == 10
    assert "stock_on_hand" not in EDITABLE


def test_deleting_twice_is_204_twice_and_one_event(atoll_as_staff, make_product, atoll_bus):
    product = make_product()

    answers = [atoll_as_staff().delete(f"/products/{product.id}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert Product.objects.get().is_active is False
    assert len(atoll_bus.published("product.deleted")) == 1
    assert atoll_as_staff().delete(f"/products/{uuid4()}").status_code == 404


def test_staff_book_stock_with_a_reason_once_per_key(atoll_as_staff, make_product):
    product, staff_id = make_product(stock_on_hand=10), uuid4()
    client = atoll_as_staff(staff_id)

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
def test_stock_that_cannot_be_booked_changes_nothing(atoll_as_staff, make_product, body, status):
    product = make_product(stock_on_hand=10)

    assert atoll_as_staff().post(f"/products/{product.id}/stock", body).status_code == status
    assert Product.objects.get().stock_on_hand == 10
    assert StockMovement.objects.count() == 0


def test_methods_without_meaning_are_405(atoll_as_staff, make_product):
    product = make_product()
    assert atoll_as_staff().put(f"/products/{product.id}", CUP).status_code == 405
    assert atoll_as_staff().delete("/products").status_code == 405


def test_the_openapi_document_tells_the_truth(anyone, db):
    document = anyone.get("/schema").json()

    schemas, paths = document["components"]["schemas"], document["paths"]
    assert set(schemas["Product"]["properties"]) == FIELDS
    asked = {parameter["name"] for parameter in paths["/products"]["get"]["parameters"]}
    assert asked == {
        "search", "category", "currency", "minPrice", "maxPrice", "inStock", "isActive", "ordering", "ids",
        "fields", "page", "pageSize",
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
