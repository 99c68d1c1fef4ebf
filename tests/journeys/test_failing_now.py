"""A handler fails, an operator sees it on the console, corrects the cause and replays, in a real browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from atoll.testing.running import Platform
from demo.shopper import Item, Shopper
from tests.journeys.browsing import screenshot, sign_in

pytestmark = pytest.mark.on("embedded")

OPERATOR = ("operator@atoll.example", "atoll-demo-operator")
SQL = "from django.db import connection\nconnection.cursor().execute({!r})"
BREAK = "ALTER TABLE payments_payment ADD CONSTRAINT journey_broken CHECK (false) NOT VALID"
MEND = "ALTER TABLE payments_payment DROP CONSTRAINT IF EXISTS journey_broken"
CAUSE = "journey_broken"
SEEN_MS = 20_000
PAUSE_MS = 90_000


def execute(platform: Platform, statement: str) -> None:
    done = platform.manage("payments", "shell", "-v", "0", "-c", SQL.format(statement))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def broken_payments(platform: Platform) -> Iterator[None]:
    """Payments stores no payment, so that its handler fails."""
    execute(platform, BREAK)
    yield
    execute(platform, MEND)


@pytest.mark.usefixtures("broken_payments")
def test_an_operator_sees_a_handler_fail_and_replays_its_messages(
    platform: Platform, shopper: Shopper, page: Page
) -> None:
    payments = platform.url("payments")
    sign_in(page, payments, *OPERATOR)
    page.goto(f"{platform.gateway_url}/console/")
    cause = page.locator(".failing-cause").filter(has_text=CAUSE)
    expect(cause).to_have_count(0)

    product = next(found for found in shopper.products(inStock="true") if found["stock"] >= 5)
    for _ in range(2):
        shopper.place_order([Item(product["id"], 1)])

    # The page refreshes itself.
    expect(cause).to_contain_text("2 failing", timeout=SEEN_MS)
    expect(cause).to_contain_text("process.payment in payment-service")
    expect(cause).to_contain_text("2 orders of", timeout=SEEN_MS)
    screenshot(page, "console-failing-now")
    group = cause.get_by_role("link", name="Messages, replay, discard").get_attribute("href")
    assert group

    page.goto(f"{payments}/admin/")
    expect(page.locator("section", has=page.get_by_role("heading", name="Failing now"))).to_contain_text(
        CAUSE
    )
    screenshot(page, "payments-failing-now")

    # No attempt comes while the cause is corrected: the third pause has a minute.
    page.goto(f"{platform.gateway_url}/console/")
    expect(cause).to_contain_text(re.compile(r"Next attempt in (4\d|5\d|60) s"), timeout=PAUSE_MS)
    execute(platform, MEND)
    page.goto(group)
    page.get_by_role("link", name="Replay all…").click()
    page.get_by_role("button", name="Replay 2").click()
    expect(page.locator("body")).to_contain_text("2 messages: will run again.")

    page.goto(f"{platform.gateway_url}/console/")
    expect(cause).to_have_count(0, timeout=SEEN_MS)
