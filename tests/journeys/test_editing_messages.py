"""Staff find a message that no handler can read, trace it, edit it and replay it in a real browser."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from atoll.testing.running import Platform, eventually
from demo.shopper import Item, Shopper
from tests.journeys.browsing import screenshot, sign_in
from tests.journeys.misshapen import send_unreadable_payment

pytestmark = pytest.mark.on("embedded")

ADMIN = ("admin@atoll.example", "atoll-demo-admin")
CORRELATION = "editing-4711"


def card(page: Page, title: str) -> int:
    """Return a count of the overview."""
    return int(page.inner_text(f".page-card:has(span:text-is('{title}')) strong").replace(",", ""))


def test_staff_see_a_dead_letter_come_edit_it_and_watch_it_go(platform: Platform, page: Page):
    address = platform.url("payments")
    sign_in(page, address, *ADMIN)
    page.goto(f"{address}/admin/atoll_bus/overview/")
    before = card(page, "Dead letters")

    data = send_unreadable_payment(platform, "editing-1", CORRELATION)
    # The page refreshes itself.
    eventually(lambda: card(page, "Dead letters") == before + 1, timeout_s=40, what="the page shows it")
    screenshot(page, "payments-overview")

    page.click(".page-card:has(span:text-is('Dead letters'))")
    screenshot(page, "payments-dead-letters")
    page.click("text=paymentMethod: is missing")
    page.click(".page-table tbody tr:first-child td a")
    page.click("text=Edit and replay…")
    page.fill("[name=payload]", json.dumps(data))
    page.fill("[name=reason]", "the producer forgot how it is paid")
    page.click("text=Save and replay")
    expect(page.locator("form.page-box")).to_contain_text("Nothing was changed")
    screenshot(page, "payments-edit-refused")
    page.fill("[name=payload]", json.dumps({**data, "paymentMethod": "card"}))
    page.click("text=Save and replay")
    expect(page.locator("body")).to_contain_text("It was edited and will run again.")

    page.goto(f"{address}/admin/atoll_bus/overview/")
    eventually(lambda: card(page, "Dead letters") == before, timeout_s=40, what="it is not dead any more")

    handled = page.locator("tr", has_text="handled by on_process_payment")

    def is_handled() -> bool:
        """Reload the page and return whether it shows the delivery as handled."""
        page.goto(f"{address}/admin/atoll_bus/where/?q={CORRELATION}")
        return handled.count() == 1 and "done" in handled.inner_text()

    eventually(is_handled, timeout_s=40, what="the edited message is handled")
    handled.locator("a").first.click()
    page.click("text=History")
    expect(page.locator("body")).to_contain_text("the producer forgot how it is paid")
    screenshot(page, "payments-history")


def test_an_order_is_followed_through_every_service(platform: Platform, page: Page):
    shopper = Shopper(platform.gateway_url)
    shopper.register()
    product = next(found for found in shopper.products(inStock="true") if found["stock"] >= 5)
    placed = shopper.place_order([Item(product["id"], 1)])
    shopper.wait_until_final(placed["id"])
    address = platform.url("users")
    orders = platform.url("orders")
    sign_in(page, orders, *ADMIN)
    page.goto(f"{orders}/admin/atoll_bus/outbox/?q={placed['id']}")
    link = page.locator("a[href*='/where/?q=']").first.get_attribute("href")
    assert link

    sign_in(page, address, *ADMIN)
    page.goto(f"{address}{link}")

    shown = page.inner_text("#content")
    screenshot(page, "users-where-is-an-order")
    for service in ("order-service", "product-service", "payment-service"):
        assert re.search(rf"{service}\s+\d*[1-9]", shown), shown
    for name in ("order.created", "stock.reserved", "payment.completed", "order.confirmed"):
        assert name in shown
    assert "not answering" not in shown
