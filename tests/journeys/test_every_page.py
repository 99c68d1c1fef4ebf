"""Every page of every admin and of the console, in light and dark, wide and narrow."""

import pytest
from playwright.sync_api import Page

from atoll import conf
from atoll.testing.running import Platform
from demo.shopper import Item, Shopper
from tests.journeys.browsing import sign_in
from tests.journeys.misshapen import send_unreadable_payment
from tests.journeys.page_walk import Walk

pytestmark = pytest.mark.on("embedded")

MOST_PAGES = 80
# Fewer pages mean that the walk lost its way.
FEWEST_PAGES = {
    "users": 35, "orders": 25, "products": 30, "payments": 22, "gateway": 35, "registry": 18, "console": 18,
}  # fmt: skip


# Pages to which forms, pages without a session and mails lead.
FORMS = {
    "console": ("search?q=ada%40atoll.example",),
    "users": ("password_reset/", "password_reset/new", "email_change"),
}


@pytest.fixture(scope="module")
def history(platform: Platform) -> None:
    """Content for the pages: a dead letter, a confirmed order, and a newer one that was declined."""
    shopper = Shopper(platform.gateway_url)
    shopper.register(name="Ada Lovelace")
    product = next(found for found in shopper.products(inStock="true") if found["stock"] >= 5)
    for method in ("card", "card-declined"):
        placed = shopper.place_order([Item(product["id"], 1)], payment_method=method)
        shopper.wait_until_final(placed["id"])
    send_unreadable_payment(platform, "every-page", "every-page-4711")


@pytest.mark.parametrize("place", [*conf.projects(), "console"])
@pytest.mark.usefixtures("history")
def test_every_page_can_be_read_in_every_window(platform: Platform, page: Page, place: str) -> None:
    """axe finds nothing, nothing is wider than the window, no script fails, and every page answers 200."""
    is_console = place == "console"
    start = f"{platform.gateway_url}/console/" if is_console else f"{platform.url(place)}/admin/"
    sign_in(
        page, platform.url("registry" if is_console else place), "admin@atoll.example", "atoll-demo-admin"
    )
    forms = tuple(f"{start}{address}" for address in FORMS.get(place, ()))
    walk = Walk(page, start, MOST_PAGES, with_queries=("charts", "journeys", "processes"), forms=forms)
    walk.run()
    print(f"{place}: {len(walk.opened)} pages")
    assert not walk.faults, "\n".join(walk.faults)
    assert len(walk.opened) >= FEWEST_PAGES[place], "\n".join(walk.opened)
