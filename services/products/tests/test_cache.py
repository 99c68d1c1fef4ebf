"""No cache entry is older than the last commit, and the service works without the cache."""

import json
import socket
import threading
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from atoll.api.renderers import render
from services.products import cache as catalogue_cache
from services.products import selectors
from services.products.cache import GENERATION, read_through
from services.products.errors import ProductNotFound
from services.products.models import Product
from services.products.search import ROW, Criteria
from services.products.usecases.delete_product import delete_product
from services.products.usecases.release_stock import release_stock
from services.products.usecases.reserve_stock import reserve_stock
from services.products.usecases.update_product import update_product

pytestmark = pytest.mark.django_db(transaction=True)

ALL = Criteria()
FIELDS = frozenset(ROW)


def page(criteria: Criteria = ALL, window: slice = slice(0, 20)) -> tuple[int, list[dict[str, object]]]:
    total, content = selectors.catalogue_page(criteria, FIELDS, window, render)
    return total, json.loads(content)


def names() -> list[object]:
    return [row["name"] for row in page()[1]]


def test_a_page_of_a_list_is_read_from_the_database_once(make_product):
    make_product()
    first = page()

    with CaptureQueriesContext(connection) as queries:
        second = page()

    assert second == first
    assert first[0] == len(first[1]) == 1
    assert len(queries) == 0


def test_a_hit_is_one_command_to_the_cache(make_product, monkeypatch):
    make_product()
    page()
    asked: list[str] = []
    client = cache._connections["default"]
    for name in ("get", "get_many", "set", "add"):
        command = getattr(type(client), name)

        def noted(self, *arguments, command=command, name=name, **options):
            asked.append(name)
            return command(self, *arguments, **options)

        monkeypatch.setattr(type(client), name, noted)

    page()

    assert asked == ["get_many"]


def test_pages_with_other_fields_or_of_another_window_are_other_entries(make_product):
    make_product(name="Cup")
    make_product(name="Mug")

    assert page(window=slice(0, 1))[1][0]["name"] == "Cup"
    assert page(window=slice(1, 2))[1][0]["name"] == "Mug"
    assert page(window=slice(40, 60)) == (2, [])
    total, content = selectors.catalogue_page(
        ALL, frozenset({"name"}), slice(0, 1), lambda rows: render([{"name": row["name"]} for row in rows])
    )
    assert (total, content) == (2, b'[{"name":"Cup"}]')


def test_a_change_is_seen_as_soon_as_it_is_committed_and_not_before(make_product):
    product = make_product(name="Cup")
    assert names() == ["Cup"]

    with transaction.atomic():
        update_product(product.id, {"name": "Mug"})
        with CaptureQueriesContext(connection) as queries:
            assert names() == ["Cup"]
        assert len(queries) == 0

    assert names() == ["Mug"]


def test_a_change_that_is_rolled_back_leaves_the_entry_alone(make_product):
    product = make_product(name="Cup")
    names()

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        update_product(product.id, {"name": "Mug"})
        raise ZeroDivisionError

    with CaptureQueriesContext(connection) as queries:
        assert names() == ["Cup"]
    assert len(queries) == 0


def test_a_transaction_of_many_changes_invalidates_once(make_product, monkeypatch):
    product, generations = make_product(name="Cup"), []
    monkeypatch.setattr(type(cache._connections["default"]), "set", lambda *a, **k: generations.append(a[1]))

    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            update_product(product.id, {"name": "Jug"})
            raise ZeroDivisionError
        update_product(product.id, {"name": "Mug"})
        update_product(product.id, {"name": "Pot"})

    assert generations == [GENERATION]


def test_stock_that_is_reserved_or_released_is_seen_in_a_search(make_product):
    product, order_id = make_product(stock_on_hand=2), uuid4()
    in_stock = Criteria(in_stock=True)
    assert page(in_stock)[0] == 1

    reserve_stock(order_id, [(product.id, 2)])
    assert selectors.product_page(product.id)["stock"] == 0
    assert page(in_stock)[0] == 0

    release_stock(order_id)
    assert selectors.product_page(product.id)["stock"] == 2
    assert page(in_stock)[0] == 1


def test_a_deleted_product_is_gone_at_once(make_product):
    product = make_product()
    assert page()[0] == 1

    delete_product(product.id)

    assert page()[0] == 0
    with pytest.raises(ProductNotFound):
        selectors.product_page(product.id)
    assert selectors.product_page(product.id, with_inactive=True)["is_active"] is False


def test_a_reader_that_read_before_the_commit_cannot_store_what_it_read_after_the_invalidation(make_product):
    product = make_product(name="Cup")
    has_read, may_store = threading.Event(), threading.Event()
    seen: list[str] = []

    def slow_reader() -> None:
        def compute() -> str:
            name = Product.objects.get(id=product.id).name
            has_read.set()
            assert may_store.wait(timeout=10)
            return name

        try:
            seen.append(read_through("name", compute))
        finally:
            connection.close()

    reader = threading.Thread(target=slow_reader)
    reader.start()
    assert has_read.wait(timeout=10)
    update_product(product.id, {"name": "Mug"})
    may_store.set()
    reader.join(timeout=10)

    assert seen == ["Cup"]
    assert read_through("name", lambda: "Mug") == "Mug"


def test_the_same_race_with_a_flush_of_the_cache_in_between_stores_nothing_stale(make_product):
    product = make_product(name="Cup")

    def compute() -> list[str]:
        read = [Product.objects.get(id=product.id).name]
        cache.delete(GENERATION)
        update_product(product.id, {"name": "Mug"})
        return read

    assert read_through("names", compute) == ["Cup"]
    assert read_through("names", lambda: ["Mug"]) == ["Mug"]


def test_prices_for_orders_come_past_the_cache(make_product):
    product = make_product(price=Decimal("5.00"))
    selectors.active_products([product.id])

    Product.objects.update(price=Decimal("6.00"))

    assert selectors.active_products([product.id])[0]["price"] == Decimal("6.00")


@pytest.fixture
def cache_away(settings):
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{nobody_listens.getsockname()[1]}/0"
        settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": url}}
        yield


def test_with_the_cache_away_the_database_answers_and_writes_succeed(cache_away, make_product):
    product = make_product(name="Cup")
    assert (page()[0], names()) == (1, ["Cup"])

    update_product(product.id, {"name": "Mug"})

    assert names() == ["Mug"]


def test_after_a_failure_reads_do_not_ask_the_cache_for_a_while(cache_away, make_product, monkeypatch):
    make_product()
    page()
    asked: list[str] = []
    monkeypatch.setattr(
        type(cache._connections["default"]), "get_many", lambda *a, **k: asked.append("get") or {}
    )

    page()
    assert asked == []

    monkeypatch.setattr(catalogue_cache.away, "until", 0.0)
    page()
    assert asked != []


def test_a_command_s_effect_is_seen_once_its_delivery_is_committed(make_product, atoll_bus):
    product = make_product(stock_on_hand=2)
    assert page(Criteria(in_stock=True))[0] == 1

    atoll_bus.deliver(
        "reserve.stock",
        {"orderId": str(uuid4()), "items": [{"productId": str(product.id), "quantity": 2}]},
        times=1,
    )

    assert page(Criteria(in_stock=True))[0] == 0
