"""Searching: words first, near spellings when there are none, filters and order on top."""

from decimal import Decimal

import pytest
from django.db import connection

from services.products.models import Product
from services.products.search import Criteria, Ordering, ProductSearch


@pytest.fixture
def shop(make_product):
    make_product(
        sku="KIT-KTL-STL", name="Brushed Steel Kettle", category="kitchen", price=Decimal("48.90"),
        description="Pours a thin, steady stream. Good for filter coffee.",
    )  # fmt: skip
    make_product(
        sku="COF-FLT-ETH", name="Ethiopian Filter Coffee", category="coffee", price=Decimal("14.90"),
        description="Clean and bright.",
    )  # fmt: skip
    make_product(
        sku="COF-ESP-DEC", name="Decaffeinated Espresso Beans", category="coffee", price=Decimal("15.10"),
        description="Sweet, with a note of cocoa.", stock_on_hand=3, stock_reserved=3,
    )  # fmt: skip
    make_product(
        sku="BAG-TOT-OLV", name="Olive Tote Bag", category="bags", price=Decimal("34.90"),
        description="Carries groceries.",
    )  # fmt: skip
    make_product(
        sku="BAG-OLD-RED", name="Old Red Bag", category="bags", price=Decimal("9.90"), is_active=False
    )


def found(search: str = "", **more) -> list[str]:
    result = ProductSearch(Criteria(search=search, **more))
    rows = result[0:100]
    assert len(result) == len(rows)
    return [row["sku"] for row in rows]


def test_the_name_counts_more_than_the_category_and_that_more_than_the_description(shop):
    assert found("coffee") == ["COF-FLT-ETH", "COF-ESP-DEC", "KIT-KTL-STL"]


@pytest.mark.parametrize(
    ("text", "skus"),
    [
        ("beans", ["COF-ESP-DEC"]),
        ("bean", ["COF-ESP-DEC"]),
        ("filter coffee", ["COF-FLT-ETH", "KIT-KTL-STL"]),
        ('"thin steady stream"', ["KIT-KTL-STL"]),
        ("coffee -kettle", ["COF-FLT-ETH", "COF-ESP-DEC"]),
        ("tote or kettle", ["KIT-KTL-STL", "BAG-TOT-OLV"]),
        ("KIT-KTL-STL", ["KIT-KTL-STL"]),
        ("cof-flt-eth", ["COF-FLT-ETH"]),
        ("piano", []),
        ("\"unfinished -(& ' | ! :* <-> \\", []),
        ("%", []),
    ],
)
def test_websearch_syntax(shop, text, skus):
    assert sorted(found(text)) == sorted(skus)


@pytest.mark.parametrize(
    ("typo", "sku"),
    [
        ("kettel", "KIT-KTL-STL"), ("ketle", "KIT-KTL-STL"), ("expresso", "COF-ESP-DEC"),
        ("etiopian", "COF-FLT-ETH"), ("brushd steel", "KIT-KTL-STL"), ("oliv tot bag", "BAG-TOT-OLV"),
        ("kitchn", "KIT-KTL-STL"), ("ethi", "COF-FLT-ETH"),
    ],
)  # fmt: skip
def test_a_typo_still_finds_the_product_first(shop, typo, sku):
    assert found(typo)[0] == sku


def test_near_spellings_are_not_mixed_into_exact_answers(shop):
    Product.objects.filter(sku="BAG-TOT-OLV").update(name="Olive Beams")
    assert found("beans") == ["COF-ESP-DEC"]


def test_a_phrase_or_an_exclusion_is_taken_at_its_word(shop):
    assert found('"kettel"') == []
    assert found("kettel -steel") == []


def test_filters_do_not_turn_a_well_spelt_word_into_a_typo(shop):
    assert found("kettle", category="bags") == []


def test_filters_narrow_and_combine(shop):
    assert found(category="coffee") == ["COF-ESP-DEC", "COF-FLT-ETH"]
    assert found(min_price=Decimal("15.10"), max_price=Decimal("34.90")) == ["COF-ESP-DEC", "BAG-TOT-OLV"]
    assert found(category="coffee", in_stock=True) == ["COF-FLT-ETH"]
    assert found(in_stock=False) == ["COF-ESP-DEC"]
    assert found("coffee", max_price=Decimal("15.00")) == ["COF-FLT-ETH"]


def test_what_left_the_catalogue_is_found_only_when_asked_for(shop):
    assert found("red") == []
    assert found("red", is_active=False) == ["BAG-OLD-RED"]


@pytest.mark.parametrize("ordering", [o for o in Ordering if o is not Ordering.RELEVANCE])
def test_every_ordering_orders(shop, ordering):
    rows = ProductSearch(Criteria(ordering=ordering))[0:100]
    column = {"createdAt": "created_at"}.get(ordering.removeprefix("-"), ordering.removeprefix("-"))
    values = [row[column] for row in rows]
    assert values == sorted(values, reverse=ordering.startswith("-"))
    assert len(values) == 4


def test_pages_of_equal_prices_neither_repeat_nor_skip(make_product):
    made = {make_product(price=Decimal("5.00")).id for _ in range(25)}
    search = ProductSearch(Criteria(ordering=Ordering.PRICE))

    seen = [row["id"] for start in range(0, 25, 4) for row in search[start : start + 4]]

    assert len(seen) == 25
    assert set(seen) == made


@pytest.mark.parametrize(("search", "index"), [("kettle", "product_search"), ("kettel", "product_spelling")])
def test_both_ways_of_searching_can_use_their_index(shop, search, index):
    found_by = ProductSearch(Criteria(search=search))
    with found_by._spelling_threshold(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        assert index in found_by._matches.explain()


def test_a_change_of_words_is_searchable_at_once(shop):
    Product.objects.filter(sku="BAG-TOT-OLV").update(name="Shopping Trolley", sku="TRL-1")
    assert found("trolley") == ["TRL-1"]
    assert found("tote") == []


def test_the_database_s_owner_may_create_the_extension_without_being_a_superuser(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT bool_or(trusted) FROM pg_available_extension_versions WHERE name = 'pg_trgm'")
        assert cursor.fetchone() == (True,)
