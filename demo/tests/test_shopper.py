from decimal import Decimal

import pytest

from demo.shopper import Item, NotFinal, PlatformNotRunning, Refused, Shopper


def test_after_registering_every_request_carries_the_token(shop):
    shopper = Shopper(shop.url)
    shopper.register(name="Ada")
    shopper.products()
    assert shopper.user["name"] == "Ada"
    assert shop.headers[-1]["Authorization"] == "Bearer token-of-u1"
    assert shopper.authorization() == {"Authorization": "Bearer token-of-u1"}


def test_every_order_has_an_idempotency_key_of_its_own_unless_one_is_given(shop):
    shopper = Shopper(shop.url)
    for key in (None, None, "mine"):
        shopper.place_order([Item("lamp", 1)], idempotency_key=key)
    first, second, third = (headers["Idempotency-Key"] for headers in shop.headers)
    assert first != second
    assert third == "mine"


def test_waiting_shows_every_reading_and_returns_the_last(shop):
    shopper = Shopper(shop.url)
    shopper.place_order([Item("lamp", 1)])
    seen: list[str] = []
    final = shopper.wait_until_final("o1", on_read=lambda order: seen.append(order["status"]))
    assert seen == ["awaiting_payment", "confirmed"]
    assert final["status"] == "confirmed"


def test_waiting_ends_with_the_order_as_it_was_last_seen(shop):
    shop.steps = []
    shopper = Shopper(shop.url)
    shopper.place_order([Item("lamp", 1)])
    with pytest.raises(NotFinal) as late:
        shopper.wait_until_final("o1", timeout_s=0.1)
    assert late.value.order["status"] == "pending"


def test_a_refusal_carries_status_and_code(shop):
    with pytest.raises(Refused) as refused:
        Shopper(shop.url).order("unknown")
    assert (refused.value.status, refused.value.code) == (404, "not_found")


def test_an_error_that_is_no_json_is_a_refusal_too(shop):
    shop.broken_with = (502, b"<h1>Bad gateway</h1>")
    with pytest.raises(Refused) as refused:
        Shopper(shop.url).health()
    assert (refused.value.status, refused.value.code) == (502, "")
    assert "Bad gateway" in str(refused.value)


def test_nobody_at_the_address_is_told_apart_from_a_refusal(shop):
    shop_url = shop.url.replace("127.0.0.1", "127.0.0.2")
    with pytest.raises(PlatformNotRunning):
        Shopper(shop_url).health()


def test_a_customer_who_saw_another_price_orders_nothing(shop):
    shopper = Shopper(shop.url)
    shop.price = 13.9
    with pytest.raises(Refused) as refused:
        shopper.place_order([Item("lamp", 2)], expected_total=Decimal("20.00"))
    assert (refused.value.status, refused.value.code) == (409, "price_changed")
    assert shop.order == {}
    assert shopper.place_order([Item("lamp", 2)], expected_total=Decimal("27.80"))["id"] == "o1"
