"""Every page of the bus in Django's own admin, in a browser: light and dark, wide and narrow."""

from collections.abc import Iterator

import pytest
from conftest import Ledger
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.journeys.browsing import CHROMIUM, QUIET, missing_requirement
from tests.journeys.page_walk import Walk

MOST_PAGES = 60
# Fewer pages mean that the walk lost its way.
FEWEST_PAGES = 20
# Faults of Django's own parts: links of the path above the page, and the search field and filters of a list.
DJANGOS = ('<a href="/admin/">Home</a>', 'id="searchbar"', '<a href="?">')


@pytest.fixture
def page(live_server: LiveServer, staff: Client, ledger: Ledger) -> Iterator[Page]:
    if missing := missing_requirement():
        pytest.skip(missing)
    session = staff.cookies[settings.SESSION_COOKIE_NAME].value
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = browser.new_context()
        context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}]
        )
        yield context.new_page()
        browser.close()


def test_every_page_can_be_read_in_every_window(page: Page, live_server: LiveServer, ledger: Ledger) -> None:
    """axe finds nothing, nothing is wider than the window, no script fails, and every page answers 200."""
    start = f"{live_server.url}/admin/atoll_bus/"
    walk = Walk(page, start, MOST_PAGES)
    walk.run()
    ours = [one for one in walk.faults if not any(part in one for part in DJANGOS)]
    assert ours == []
    assert len(walk.opened) >= FEWEST_PAGES, "\n".join(walk.opened)
