"""No cache entry is older than the last commit, and the service works without the cache."""

import socket
import threading
from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.cache import cache, caches
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from services.products import cache as catalogue_cache
from services.products import selectors
from services.products.cache import CATALOGUE, read_through
from services.products.errors import ProductNotFound
from services.products.models import Product
from services.products.search import Criteria
from services.products.usecases.delete_product import delete_product
from services.products.usecases.release_stock import release_stock
from services.products.usecases.reserve_stock import reserve_stock
from services.products.usecases.update_product import update_product

pytestmark = pytest.mark.django_db(transaction=True)

ALL = Criteria()


def names() -> list[str]:
    return [row["name"] for row in selectors.CachedSearch(ALL)[0:20]]


def test_a_page_and_a_search_are_read_from_the_database_once(make_product):
    product = make_product()
    first = selectors.product_page(product.id), len(selectors.CachedSearch(ALL)), names()

    with CaptureQueriesContext(connection) as queries:
        second = selectors.product_page(product.id), len(selectors.CachedSearch(ALL)), names()

    assert second == first
    assert len(queries) == 0


def test_a_change_is_seen_as_soon_as_it_is_committed_and_not_before(make_product):
    product = make_product(name="Cup")
    assert (selectors.product_page(product.id)["name"], names()) == ("Cup", ["Cup"])

    with transaction.atomic():
        update_product(product.id, {"name": "Mug"})
        with CaptureQueriesContext(connection) as queries:
            assert selectors.product_page(product.id)["name"] == "Cup"
        assert len(queries) == 0

    assert (selectors.product_page(product.id)["name"], names()) == ("Mug", ["Mug"])


def test_a_change_that_is_rolled_back_leaves_the_entry_alone(make_product):
    product = make_product(name="Cup")
    selectors.product_page(product.id)

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        update_product(product.id, {"name": "Mug"})
        raise ZeroDivisionError

    with CaptureQueriesContext(connection) as queries:
        assert selectors.product_page(product.id)["name"] == "Cup"
    assert len(queries) == 0


def test_stock_that_is_reserved_or_released_is_seen_on_page_and_search(make_product):
    product, order_id = make_product(stock_on_hand=2), uuid4()
    in_stock = Criteria(in_stock=True)
    assert selectors.product_page(product.id)["stock"] == 2
    assert len(selectors.CachedSearch(in_stock)) == 1

    reserve_stock(order_id, [(product.id, 2)])
    assert selectors.product_page(product.id)["stock"] == 0
    assert len(selectors.CachedSearch(in_stock)) == 0

    release_stock(order_id)
    assert selectors.product_page(product.id)["stock"] == 2
    assert len(selectors.CachedSearch(in_stock)) == 1


def test_a_deleted_product_is_gone_at_once(make_product):
    product = make_product()
    selectors.product_page(product.id)

    delete_product(product.id)

    with pytest.raises(ProductNotFound):
        selectors.product_page(product.id)
    assert selectors.product_page(product.id, with_inactive=True)["is_active"] is False


def test_one_product_s_change_keeps_the_pages_of_others(make_product):
    cup, pot = make_product(), make_product()
    selectors.product_page(pot.id)

    update_product(cup.id, {"name": "Mug"})

    with CaptureQueriesContext(connection) as queries:
        selectors.product_page(pot.id)
    assert len(queries) == 0


def test_a_reader_that_read_before_the_commit_cannot_store_what_it_read_after_the_invalidation(make_product):
    product = make_product(name="Cup")
    has_read, may_store = threading.Event(), threading.Event()
    seen: list[str] = []

    def slow_reader() -> None:
        def compute() -> dict[str, str]:
            row = {"name": Product.objects.get(id=product.id).name}
            has_read.set()
            assert may_store.wait(timeout=10)
            return row

        try:
            seen.append(read_through(catalogue_cache.product_scope(product.id), "page", compute)["name"])
        finally:
            connection.close()

    reader = threading.Thread(target=slow_reader)
    reader.start()
    assert has_read.wait(timeout=10)
    update_product(product.id, {"name": "Mug"})
    may_store.set()
    reader.join(timeout=10)

    assert seen == ["Cup"]
    assert selectors.product_page(product.id)["name"] == "Mug"


def test_the_same_race_with_a_flush_of_the_cache_in_between_stores_nothing_stale(make_product):
    product = make_product(name="Cup")

    def compute() -> list[str]:
        read = [Product.objects.get(id=product.id).name]
        cache.delete(f"generation:{CATALOGUE}")
        update_product(product.id, {"name": "Mug"})
        return read

    assert read_through(CATALOGUE, "names", compute) == ["Cup"]
    assert read_through(CATALOGUE, "names", lambda: ["Mug"]) == ["Mug"]


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
    assert selectors.product_page(product.id)["name"] == "Cup"
    assert (len(selectors.CachedSearch(ALL)), names()) == (1, ["Cup"])

    update_product(product.id, {"name": "Mug"})

    assert (selectors.product_page(product.id)["name"], names()) == ("Mug", ["Mug"])


def test_after_a_failure_reads_do_not_ask_the_cache_for_a_while(cache_away, make_product, monkeypatch):
    product = make_product()
    selectors.product_page(product.id)
    asked: list[str] = []
    monkeypatch.setattr(type(cache._connections["default"]), "get", lambda *a, **k: asked.append("get"))

    selectors.product_page(product.id)
    assert asked == []

    monkeypatch.setattr(catalogue_cache.away, "until", 0.0)
    selectors.product_page(product.id)
    assert asked != []


def test_a_command_s_effect_is_seen_once_its_delivery_is_committed(make_product, bus):
    product = make_product(stock_on_hand=2)
    assert selectors.product_page(product.id)["stock"] == 2

    bus.deliver(
        "reserve.stock",
        {"orderId": str(uuid4()), "items": [{"productId": str(product.id), "quantity": 2}]},
        times=1,
    )

    assert selectors.product_page(product.id)["stock"] == 0


def test_changes_in_one_transaction_share_one_request_to_the_cache(make_product, monkeypatch):
    products = [make_product() for _ in range(3)]
    seen = [selectors.product_page(product.id)["stock"] for product in products]
    requests = []

    def counted(entries, *arguments):
        requests.append(entries)
        return real(entries, *arguments)

    real = caches["default"].set_many
    monkeypatch.setattr(caches["default"], "set_many", counted)
    with transaction.atomic():
        for product in products:
            reserve_stock(uuid4(), [(product.id, 1)])

    assert len(requests) == 1
    now = [selectors.product_page(product.id)["stock"] for product in products]
    assert now == [before - 1 for before in seen]


def test_after_a_rollback_of_one_change_the_other_one_is_seen(make_product):
    undone, done = make_product(), make_product()
    selectors.product_page(done.id)
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            reserve_stock(uuid4(), [(undone.id, 1)])
            raise ZeroDivisionError
        reserve_stock(uuid4(), [(done.id, 1)])
    assert selectors.product_page(undone.id)["stock"] == 10
    assert selectors.product_page(done.id)["stock"] == 9
