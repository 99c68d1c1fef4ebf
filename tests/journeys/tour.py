"""Takes the pictures of docs/tour.md and README from a running platform.

``python -m tests.journeys.tour`` writes them into docs/images/. It places orders first, so that pages have
something to show.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from atoll import conf
from demo.shopper import Item, Shopper
from tests.journeys.browsing import CHROMIUM, QUIET, missing_requirement

IMAGES = conf.root() / "docs" / "images"
WINDOW = {"width": 1280, "height": 800}
ADMIN = ("admin@atoll.example", "atoll-demo-admin")
# A picture that is larger is a burden of every clone.
MAX_BYTES = 150_000
QUALITY = 65
# Figures are collected every ten seconds.
FIGURES_MS = 45_000


@dataclass(frozen=True)
class Stop:
    """``name`` is that of the picture; ``heading`` is that of the page and of its section in docs/tour.md."""

    name: str
    heading: str
    go: Callable[[Page], None]


def _open(page: Page, entry: str) -> None:
    page.get_by_label("Console").get_by_role("link", name=entry, exact=True).click()


def _board(page: Page) -> None:
    _open(page, "Board")
    orders = page.locator("tr.group").filter(has_text="order-service")
    expect(orders.locator("td").nth(1)).to_have_text(re.compile(r"[1-9]"), timeout=FIGURES_MS)


def _journey(page: Page) -> None:
    _open(page, "Journeys")
    page.get_by_role("link", name="POST orders").first.click()
    expect(page.locator(".waterfall li").nth(10)).to_be_visible()


def _topology(page: Page) -> None:
    _open(page, "Topology")
    expect(page.locator(".graph .edge.message").first).to_be_attached(timeout=FIGURES_MS)


def _slowest(page: Page) -> None:
    _open(page, "Board")
    page.get_by_role("link", name="Slowest endpoints of the last hour").click()
    expect(page.locator("svg.chart").first).to_be_visible()


def _logs(page: Page) -> None:
    _open(page, "Logs")
    page.get_by_label("Text").fill("order")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".log-lines .line").first).to_be_visible()


STOPS = (
    Stop("board", "Board", _board),
    Stop("journey", "POST orders", _journey),
    Stop("topology", "Topology", _topology),
    Stop("slowest", "Slowest endpoints, last hour", _slowest),
    Stop("logs", "Logs", _logs),
)


def walk(page: Page, gateway_url: str, folder: Path) -> dict[str, str]:
    """Take all pictures. Returns the heading of the page by the picture's name."""
    _order(gateway_url)
    page.set_viewport_size(WINDOW)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.goto(f"{gateway_url}/")
    page.fill("input[name=username]", ADMIN[0])
    page.fill("input[name=password]", ADMIN[1])
    page.click("button[type=submit]")
    folder.mkdir(parents=True, exist_ok=True)
    headings = {}
    for stop in STOPS:
        stop.go(page)
        headings[stop.name] = page.locator("h1").inner_text()
        page.screenshot(path=folder / f"{stop.name}.jpg", type="jpeg", quality=QUALITY)
    return headings


def _order(gateway_url: str) -> None:
    shopper = Shopper(gateway_url)
    shopper.register(name="Grace Hopper")
    products = [found for found in shopper.products(inStock="true") if found["stock"] >= 5]
    for number, method in enumerate(("card-declined", "card", "card")):
        placed = shopper.place_order([Item(products[number]["id"], 1)], payment_method=method)
        shopper.wait_until_final(placed["id"])


def main() -> int:
    if why := missing_requirement():
        print(why, file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.set_default_timeout(15_000)
        walk(page, f"http://127.0.0.1:{conf.project('gateway').port}", IMAGES)
        browser.close()
    print(f"{len(STOPS)} pictures in {IMAGES}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
