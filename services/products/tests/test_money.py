"""Prices by the minor units of their currency, wherever one is entered, stored, compared or shown."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from rest_framework.test import APIClient

from atoll.identity.roles import CATALOGUE
from atoll.testing.rights import member
from services.products.models import Product
from services.products.usecases.fill_catalogue import fill_catalogue

CUP = {"sku": "CUP-1", "name": "Cup", "category": "kitchen"}
FIT = [("JPY", "1050"), ("KRW", "9999999999"), ("BHD", "1.234"), ("CLF", "0.0001"), ("EUR", "39.90")]
UNFIT = [
    ("JPY", "10.5"),
    ("JPY", "10000000000"),
    ("KRW", "0.1"),
    ("BHD", "1.2345"),
    ("BHD", "10000000"),
    ("CLF", "0.00001"),
    ("EUR", "1.234"),
    ("USD", "100000000"),
]
NO_CURRENCY = ["XAU", "XXX", "XDR", "ABC", "BGN", "eur"]


@pytest.fixture
def anyone(atoll_trusted_test_key):
    return APIClient()


@pytest.fixture
def staff(client, db):
    client.force_login(member(CATALOGUE))
    return client


def create(client, price: str, currency: str):
    body = '{"sku": "CUP-1", "name": "Cup", "category": "kitchen", "price": %s, "currency": "%s"}'
    return client.generic("POST", "/products", (body % (price, currency)).encode(), "application/json")


def prices() -> list[tuple[Decimal, str]]:
    return list(Product.objects.values_list("price", "currency"))


@pytest.mark.django_db
@pytest.mark.parametrize(("currency", "price"), FIT)
def test_a_price_is_stored_exactly_and_shown_with_the_places_of_its_currency(
    atoll_as_staff, anyone, atoll_bus, currency, price
):
    answer = create(atoll_as_staff(), price, currency)

    assert answer.status_code == 201, answer.content
    assert prices() == [(Decimal(price), currency)]
    shown = f'"price":{price},"currency":"{currency}"'.encode()
    product_id = answer.json()["id"]
    for seen in (
        answer,
        anyone.get(f"/products/{product_id}"),
        anyone.get("/products"),
        anyone.get(f"/products?ids={product_id}"),
        anyone.get(f"/products?currency={currency}&minPrice={price}&maxPrice={price}"),
    ):
        assert shown in seen.content, seen.content
    (event,) = atoll_bus.published("product.created")
    assert Decimal(str(event["data"]["changes"]["price"])) == Decimal(price)


@pytest.mark.django_db
@pytest.mark.parametrize(("currency", "price"), UNFIT)
def test_a_price_that_its_currency_does_not_have_is_refused_by_name(
    atoll_as_staff, atoll_bus, currency, price
):
    answer = create(atoll_as_staff(), price, currency)
    assert answer.status_code == 400
    assert list(answer.json()["details"]) == ["price"]
    assert prices() == []
    assert atoll_bus.published() == []


@pytest.mark.django_db
@pytest.mark.parametrize("currency", NO_CURRENCY)
def test_a_currency_without_minor_units_or_unknown_is_refused_by_name(atoll_as_staff, currency):
    answer = create(atoll_as_staff(), "10", currency)
    assert answer.status_code == 400
    assert list(answer.json()["details"]) == ["currency"]
    assert prices() == []


@pytest.mark.parametrize(
    "change", [{"price": 0.5}, {"currency": "BHD", "price": 1.2345}, {"currency": "XAU"}]
)
def test_a_change_is_held_to_the_currency_that_results(atoll_as_staff, make_product, atoll_bus, change):
    cup = make_product(price=Decimal(100), currency="JPY")
    assert atoll_as_staff().patch(f"/products/{cup.id}", change, format="json").status_code == 400
    assert prices() == [(Decimal(100), "JPY")]
    assert atoll_bus.published() == []


def test_a_currency_alone_is_changed_only_where_the_price_fits_it(atoll_as_staff, make_product):
    cup = make_product(price=Decimal("10.50"), currency="EUR")
    staff = atoll_as_staff()
    refused = staff.patch(f"/products/{cup.id}", {"currency": "JPY"}, format="json")
    assert (refused.status_code, list(refused.json()["details"])) == (400, ["price"])
    assert staff.patch(f"/products/{cup.id}", {"currency": "BHD"}, format="json").status_code == 200
    assert prices() == [(Decimal("10.50"), "BHD")]


@pytest.mark.parametrize(("currency", "price"), [("JPY", "10.5"), ("EUR", "1.234"), ("XAU", "1")])
def test_the_admin_refuses_it_beside_the_field(staff, make_product, currency, price):
    form = {**CUP, "description": "", "price": price, "currency": currency, "is_active": "on"}
    add = staff.post(reverse("admin:products_product_add"), form | {"stock_on_hand": "0"})
    assert add.status_code == 200
    pot = make_product()
    change = staff.post(reverse("admin:products_product_change", args=[pot.id]), form)
    assert change.status_code == 200
    assert prices() == [(Decimal("10.00"), "EUR")]


@pytest.mark.parametrize(("currency", "price"), FIT)
def test_the_admin_stores_it_exactly_and_offers_it_for_change_as_it_was_entered(
    staff, atoll_bus, currency, price, db
):
    form = {**CUP, "description": "", "price": price, "currency": currency, "is_active": "on"}
    assert staff.post(reverse("admin:products_product_add"), form | {"stock_on_hand": "0"}).status_code == 302
    assert prices() == [(Decimal(price), currency)]
    page = staff.get(reverse("admin:products_product_change", args=[Product.objects.get().id]))
    assert f'name="price" value="{price}"' in page.content.decode()
    listed = staff.get(reverse("admin:products_product_changelist")).content.decode()
    assert f"{price}\u00a0{currency}" in listed


@pytest.mark.django_db
def test_a_catalogue_with_one_impossible_price_is_not_filled():
    good = Product(**CUP, price=Decimal("10.00"), currency="EUR")
    bad = Product(**CUP | {"sku": "CUP-2"}, price=Decimal("10.50"), currency="JPY")
    with pytest.raises(ValidationError):
        fill_catalogue([good, bad], actor="test")
    assert prices() == []


@pytest.fixture
def mixed(make_product):
    """The same numbers in three currencies, and one of another kind."""
    for sku, price, currency in (
        ("E-1", "5.00", "EUR"), ("E-2", "20.00", "EUR"),
        ("J-1", "10", "JPY"), ("J-2", "3000", "JPY"),
        ("U-1", "7.00", "USD"), ("B-1", "1.234", "BHD"),
    ):  # fmt: skip
        make_product(sku=sku, price=Decimal(price), currency=currency)


def skus(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [product["sku"] for product in answer.json()]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("minPrice=6", ["E-2"]),
        ("maxPrice=20", ["E-1", "E-2"]),
        ("minPrice=6&currency=JPY", ["J-1", "J-2"]),
        ("maxPrice=1.234&currency=BHD", ["B-1"]),
        ("currency=USD", ["U-1"]),
        ("currency=KWD&minPrice=0", []),
        ("ordering=price", ["B-1", "E-1", "E-2", "J-1", "J-2", "U-1"]),
        ("ordering=-price", ["B-1", "E-2", "E-1", "J-2", "J-1", "U-1"]),
        ("ordering=-price&currency=JPY", ["J-2", "J-1"]),
    ],
)
def test_only_prices_of_one_currency_are_compared(anyone, mixed, query, found):
    assert skus(anyone.get(f"/products?{query}{'' if 'ordering' in query else '&ordering=price'}")) == found


def test_a_price_without_a_currency_is_in_the_shop_s_own(anyone, mixed, settings, atoll_as_staff, atoll_bus):
    settings.SHOP_CURRENCY = "JPY"
    assert skus(anyone.get("/products?minPrice=6&ordering=price")) == ["J-1", "J-2"]
    assert anyone.get("/products?minPrice=6.50").status_code == 400
    made = atoll_as_staff().post("/products", {**CUP, "price": 500}, format="json")
    assert (made.status_code, made.json()["currency"]) == (201, "JPY")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("minPrice=0.5&currency=JPY", "minPrice"),
        ("maxPrice=1.2345&currency=BHD", "maxPrice"),
        ("currency=XAU", "currency"),
        ("currency=euro&minPrice=5", "currency"),
        ("minPrice=99999999999999999", "minPrice"),
    ],
)
def test_a_filter_that_no_price_can_meet_is_told(anyone, query, wrong):
    answer = anyone.get(f"/products?{query}")
    assert answer.status_code == 400
    assert list(answer.json()["details"]) == [wrong]


def listed(staff, query: str) -> list[str]:
    answer = staff.get(reverse("admin:products_product_changelist") + f"?{query}")
    assert answer.status_code == 200
    return [product.sku for product in answer.context["cl"].result_list]


def test_the_admin_filters_by_prices_of_one_currency_and_sorts_them_apart(staff, mixed):
    assert listed(staff, "price_from=6") == ["E-2"]
    assert sorted(listed(staff, "price_from=6&price_currency=jpy")) == ["J-1", "J-2"]
    assert listed(staff, "o=4") == ["B-1", "E-1", "E-2", "J-1", "J-2", "U-1"]
    assert listed(staff, "o=-4") == ["U-1", "J-2", "J-1", "E-2", "E-1", "B-1"]
    nonsense = staff.get(reverse("admin:products_product_changelist") + "?price_from=6&price_currency=XAU")
    assert nonsense.status_code in (302, 400)
