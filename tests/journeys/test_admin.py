"""A member of staff opens every admin in a real browser."""

import psutil
import pytest
from playwright.sync_api import Page

from atoll import conf
from atoll.testing.running import Platform, eventually
from demo.shopper import Item, Shopper
from tests.journeys.browsing import screenshot, sign_in

PROJECTS = list(conf.projects())

pytestmark = pytest.mark.on("embedded")


@pytest.fixture(scope="module")
def history(platform: Platform) -> None:
    """Content for the pages: one confirmed and one declined order."""
    shopper = Shopper(platform.gateway_url)
    shopper.register(name="Ada Lovelace")
    product = next(found for found in shopper.products(inStock="true") if found["stock"] >= 5)
    for method in ("card", "card-declined"):
        placed = shopper.place_order([Item(product["id"], 1)], payment_method=method)
        shopper.wait_until_final(placed["id"])


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.usefixtures("history")
def test_staff_open_every_page_of_an_admin(platform: Platform, page: Page, project: str):
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(f"{page.url}: {error}"))
    page.on(
        "response",
        lambda response: (
            broken.append(f"{response.url}: {response.status}") if response.status >= 400 else None
        ),
    )
    address = platform.url(project)
    sign_in(page, address, "admin@atoll.example", "atoll-demo-admin")
    assert page.url.rstrip("/").endswith("/admin"), page.inner_text("body")[:500]
    screenshot(page, f"{project}-index")

    app_list = {
        link
        for link in page.eval_on_selector_all("a", "links => links.map(link => link.href)")
        if link.startswith(f"{address}/admin/") and link.removeprefix(f"{address}/admin/").count("/") == 2
    }
    lists = sorted(link for link in app_list if "password_change" not in link and "/jsi18n" not in link)
    assert lists, "the index links to no list"
    for link in lists:
        page.goto(link)
        name = link.removeprefix(f"{address}/admin/").strip("/").replace("/", "-")
        screenshot(page, f"{project}-{name}")
        assert page.query_selector(
            "#changelist, #result_list, .result-list, form#changelist-form, #content"
        ), link
        if search := page.query_selector("input[name=q]"):
            search.fill("nothing-has-this-text")
            with page.expect_navigation():
                search.press("Enter")
            page.goto(link)
        first = page.query_selector("#result_list tbody th a, #result_list tbody td a")
        if first:
            with page.expect_navigation():
                first.click()
            screenshot(page, f"{project}-{name}-one")
    assert broken == []


def test_a_customer_does_not_get_into_an_admin(platform: Platform, page: Page):
    sign_in(page, platform.url("orders"), "ada@atoll.example", "atoll-demo-ada")
    assert page.query_selector("input[name=password]") is not None
    screenshot(page, "orders-refused")


def test_staff_cancel_an_open_order_with_a_reason_and_its_history_says_who(platform: Platform, page: Page):
    """The order waits for its payment while the payments worker is suspended."""
    shopper = Shopper(platform.gateway_url)
    shopper.register()
    product = next(found for found in shopper.products(inStock="true") if found["stock"] >= 5)
    worker = psutil.Process(platform.pid("payments-worker"))
    family = [worker, *worker.children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        placed = shopper.place_order([Item(product["id"], 1)])
        address = platform.url("orders")
        sign_in(page, address, "staff@atoll.example", "atoll-demo-staff")
        page.goto(f"{address}/admin/orders/order/{placed['id']}/change/")
        assert page.query_selector("select[name=status], input[name=status]:not([type=hidden])") is None
        screenshot(page, "orders-open")
        page.goto(f"{address}/admin/orders/order/{placed['id']}/cancel/")
        page.fill("[name=reason]", "the customer called")
        screenshot(page, "orders-cancel")
        with page.expect_navigation():
            page.click("text=Cancel orders")
    finally:
        for process in family:
            process.resume()
    final = shopper.wait_until_final(placed["id"])
    assert (final["status"], final["reason"]) == ("cancelled", "the customer called")
    [cancelled] = [entry for entry in final["history"] if entry["to"] == "cancelled" and entry["moved"]]
    assert cancelled["actor"].startswith("staff:")
    eventually(lambda: shopper.product(product["id"])["stock"] == product["stock"], what="the stock is back")
