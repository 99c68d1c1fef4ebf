"""The demo catalogue."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.db.models import F, Sum

from services.products.catalogue.demo import demo_products
from services.products.models import Product, StockMovement

pytestmark = pytest.mark.django_db


def seed() -> str:
    out = StringIO()
    call_command("seed", stdout=out)
    return out.getvalue()


def test_the_demo_catalogue_is_large_varied_and_stocked():
    seed()

    assert Product.objects.count() == 240
    assert Product.objects.values("category").distinct().count() == 10
    assert Product.objects.values("name").distinct().count() == 240
    assert Product.objects.filter(stock_on_hand__gt=F("stock_reserved")).count() > 200
    assert Product.objects.filter(stock_on_hand=0).exists()


def test_every_demo_product_obeys_the_rules():
    for product in demo_products():
        product.clean_fields()


def test_seeding_again_adds_nothing_and_keeps_what_staff_changed():
    seed()
    Product.objects.filter(sku="KIT-KTL-STL").update(price=1, stock_on_hand=1, name="Our kettle")

    assert seed() == "0 products added, 240 in the catalogue.\n"

    kettle = Product.objects.get(sku="KIT-KTL-STL")
    assert (kettle.price, kettle.stock_on_hand, kettle.name) == (1, 1, "Our kettle")


def test_seeding_fills_up_what_is_missing():
    seed()
    StockMovement.objects.all().delete()
    Product.objects.filter(category="tea").delete()

    assert seed() == "24 products added, 240 in the catalogue.\n"


def test_the_seeded_stock_is_booked():
    seed()
    on_hand = Product.objects.aggregate(n=Sum("stock_on_hand"))["n"]
    assert StockMovement.objects.aggregate(n=Sum("amount"))["n"] == on_hand > 0


def test_two_clones_get_the_same_catalogue():
    def facts():
        return [(p.sku, p.name, p.description, p.price, p.stock_on_hand) for p in demo_products()]

    assert facts() == facts()
    sku, name, description, price, stock = facts()[0]
    assert (sku, name, price, stock) == (
        "KIT-KTL-STL",
        "Brushed Steel Gooseneck Kettle",
        Decimal("48.90"),
        206,
    )
    assert description == (
        "Pours a thin, steady stream and keeps its handle cool. "
        "Brushed stainless steel, safe in the dishwasher."
    )
