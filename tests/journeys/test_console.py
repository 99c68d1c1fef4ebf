"""A member of staff comes to the console from the gateway's root, in a real browser."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from atoll.testing.running import Platform, eventually
from demo.shopper import Item, Shopper
from tests.journeys.browsing import screenshot
from tests.journeys.traced_orders import traced

pytestmark = pytest.mark.on("embedded")

# Figures are collected every ten seconds.
FIGURES_MS = 60_000
TABLE = "h2 + .box table"
COLOUR = "one => getComputedStyle(one).color"
COLOUR_OF_BAD = "one => { one.classList.add('bad'); return getComputedStyle(one).color; }"


def test_staff_see_the_platform_from_the_root_of_the_gateway(
    platform: Platform, page: Page, shopper: Shopper
) -> None:
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(f"{page.url}: {error}"))
    page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
    product = next(found for found in shopper.products(inStock="true") if found["stock"] >= 5)

    page.goto(f"{platform.gateway_url}/")
    page.fill("input[name=username]", "operator@atoll.example")
    page.fill("input[name=password]", "atoll-demo-operator")
    page.click("button[type=submit]")
    expect(page.get_by_role("heading", name="Board")).to_be_visible()
    orders = page.locator("tr.group").filter(has_text="order-service")
    expect(orders).to_contain_text("up")

    # The page refreshes itself: what is ordered now comes to it.
    placed = shopper.place_order([Item(product["id"], 1)])
    shopper.wait_until_final(placed["id"])
    expect(orders.locator("td").nth(3)).to_have_text(re.compile(r"\d"), timeout=FIGURES_MS)
    # In the row of a service a figure beyond its limit is as red as elsewhere.
    still = page.locator("#live-problem")
    assert orders.locator("td").nth(3).evaluate(COLOUR_OF_BAD) == still.evaluate(COLOUR)
    screenshot(page, "console-board")
    orders.locator("td .quiet").first.dblclick()
    expect(still).to_have_text("These figures stand still while text in them is selected.")
    page.get_by_role("heading", name="Board").click()
    expect(still).to_be_hidden()

    page.get_by_role("link", name="Topology").click()
    expect(page.locator(".graph .node").filter(has_text="order-service")).to_be_visible()
    expect(page.locator(".graph .edge.message").first).to_be_attached(timeout=FIGURES_MS)
    screenshot(page, "console-topology")
    page.locator(".graph a").filter(has_text="order-service").click()
    expect(page.get_by_role("heading", name="order-service", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="POST /orders", exact=True)).to_be_visible()

    page.get_by_role("link", name="Board").click()
    page.get_by_role("link", name="Slowest endpoints of the last hour").click()
    expect(page.locator("svg.chart").first).to_be_visible()
    confirmed = page.get_by_role("link", name="order confirmed")
    # This page does not refresh itself, and the order's end may not be collected yet.
    eventually(lambda: page.reload() and confirmed.count(), timeout_s=FIGURES_MS / 1000)
    screenshot(page, "console-charts")

    page.fill("input[name=q]", placed["id"])
    page.press("input[name=q]", "Enter")
    expect(page.get_by_role("link", name=f"Orders with “{placed['id']}”")).to_have_attribute(
        "href", f"{platform.url('orders')}/admin/orders/order/?q={placed['id']}"
    )
    assert broken == []


def test_staff_sign_in_and_read_the_console_without_javascript(
    platform: Platform, browser: Browser, shopper: Shopper
) -> None:
    traced(platform, shopper)
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto(f"{platform.gateway_url}/")
    page.fill("input[name=username]", "support@atoll.example")
    page.fill("input[name=password]", "atoll-demo-support")
    page.click("button[type=submit]")
    expect(page.locator("tr.group").filter(has_text="order-service")).to_be_visible()
    for entry, rows in (("Topology", TABLE), ("Charts", TABLE), ("Logs", ".log-lines .line")):
        page.get_by_label("Console").get_by_role("link", name=entry, exact=True).click()
        expect(page.locator(rows).first).to_be_visible()
    page.goto(f"{platform.url('orders')}/admin/orders/order/")
    # A click waits until nothing lies above the link.
    page.locator("#result_list tbody a").first.click()
    expect(page.locator("#content")).to_contain_text("Payment method")
    context.close()


def test_staff_follow_the_logs_of_all_processes_to_a_journey_and_back(
    platform: Platform, page: Page, shopper: Shopper
) -> None:
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(f"{page.url}: {error}"))
    page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)

    page.goto(f"{platform.gateway_url}/console/logs?text=on_commit_stock")
    page.fill("input[name=username]", "operator@atoll.example")
    page.fill("input[name=password]", "atoll-demo-operator")
    page.click("button[type=submit]")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    _, correlation_id = traced(platform, shopper)
    end = correlation_id[-8:]
    # A worker that has learned that the handler is fast writes "handlers done".
    done = page.locator(".line").filter(has_text="on_commit_stock").filter(has_text=end).last
    expect(done).to_contain_text("products-worker")
    expect(page.locator(".line").filter(has_not_text="on_commit_stock")).to_have_count(0)
    screenshot(page, "console-logs")

    done.locator("a.journey").click()
    expect(page.locator(".waterfall")).to_be_visible()
    beside = page.locator(".log-lines .name")
    assert {"gateway", "orders", "orders-worker", "products-worker"} <= set(beside.all_inner_texts())
    page.get_by_role("link", name="Open in the logs").click()
    expect(page.locator(".log-lines .name").filter(has_text="gateway").first).to_be_visible()
    page.get_by_role("link", name="Journey", exact=True).click()
    expect(page.locator(".waterfall")).to_be_visible()
    assert broken == []
