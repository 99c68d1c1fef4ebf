"""The cost of one request for a list of products."""

from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from services.products.models import Product
from services.products.search import CHARS_PER_PAGE


@pytest.fixture
def anyone(atoll_trusted_test_key):
    return APIClient()


def fill(count: int, chars: int) -> None:
    Product.objects.bulk_create(
        Product(
            sku=f"LONG-{number}",
            name=f"Product {number:03}",
            description="ä" * chars,
            category="things",
            price=Decimal("1.00"),
            currency="EUR",
        )
        for number in range(count)
    )


@pytest.mark.django_db
def test_a_page_of_long_descriptions_keeps_to_the_budget_in_every_way_it_is_asked_for(anyone):
    """All of them were 1 MB in one answer."""
    fill(100, 5000)
    ids = ",".join(str(product_id) for product_id in Product.objects.values_list("id", flat=True))
    # The second time from the cache.
    for path in ("/products?pageSize=100", "/products?pageSize=100", f"/products?ids={ids}"):
        answer = anyone.get(path)
        page = answer.json()
        assert len(page) == 100
        assert sum(len(product["description"] or "") for product in page) == CHARS_PER_PAGE == 50_000
        assert [product["description"] is None for product in page] == [False] * 10 + [True] * 90
        assert len(answer.content) < 150_000
    whole = anyone.get(f"/products/{page[-1]['id']}").json()
    assert len(whole["description"]) == 5000


@pytest.mark.django_db
def test_usual_descriptions_are_all_there(anyone):
    fill(100, 400)
    assert all(product["description"] for product in anyone.get("/products?pageSize=100").json())


@pytest.mark.parametrize("way", ["search", "ids"])
def test_a_list_can_be_asked_for_some_fields_only(anyone, make_product, way):
    cup = make_product()
    path = "/products?fields=id,price,stockOnHand" + (f"&ids={cup.id}" if way == "ids" else "&inStock=true")
    (product,) = anyone.get(path).json()
    assert product == {"id": str(cup.id), "price": 10, "stockOnHand": 10}


@pytest.mark.django_db
@pytest.mark.parametrize("fields", ["id,colour", "stock_on_hand", "", "search"])
def test_a_field_that_does_not_exist_is_refused(anyone, fields):
    answer = anyone.get(f"/products?fields={fields}")
    assert (answer.status_code, list(answer.json()["details"])) == (400, ["fields"])
