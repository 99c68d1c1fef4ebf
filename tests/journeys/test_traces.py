"""One order is one trace, from the gateway to the last handler, and the console draws it."""

import itertools
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from atoll.testing.running import Platform, eventually
from demo.shopper import Shopper
from tests.journeys.browsing import screenshot, sign_in
from tests.journeys.traced_orders import placed, spans_of, traced

STAFF = ("support@atoll.example", "atoll-demo-support")


def test_an_order_is_one_trace_with_all_its_causes(platform: Platform, shopper: Shopper):
    found, correlation_id = traced(platform, shopper)
    assert {span["trace"] for span in found} == {correlation_id.replace("-", "")}
    ids = {span["id"] for span in found}
    assert [span["name"] for span in found if span["parent"] not in ids] == ["POST orders"]
    services = {span["service"] for span in found}
    assert services >= {"api-gateway", "order-service", "product-service", "payment-service"}
    by_name = {span["name"]: span for span in found}
    for name in ("publish order.created", "schedule expire.order", "process process.payment", "POST /orders"):
        assert name in by_name
    chain = ["process commit.stock", "publish commit.stock", "process payment.completed"]
    for below, above in itertools.pairwise(chain):
        assert by_name[below]["parent"] == by_name[above]["id"]


@pytest.mark.on("embedded")
def test_staff_see_the_attempts_of_a_failing_handler(platform: Platform, shopper: Shopper, page: Page):
    final, correlation_id = placed(shopper, payment_method="card-flaky")
    assert final["status"] == "confirmed"

    def attempts() -> list[dict[str, Any]]:
        told = spans_of(platform, correlation_id)
        return [span for span in told if span["name"] == "process process.payment"]

    eventually(lambda: len(attempts()) == 2, timeout_s=60, what="both attempts are stored")
    first, second = attempts()
    assert first["error"] and not second["error"]
    assert (first["attempt"], second["attempt"]) == (1, 2)

    sign_in(page, platform.url("registry"), *STAFF)
    page.goto(f"{platform.url('registry')}/console/journeys?show=failed")
    page.locator(f"a[href$='{correlation_id.replace('-', '')}']").click()
    expect(page.locator("h1")).to_have_text("POST orders")
    expect(page.locator(".span.failed")).to_contain_text(["process process.payment"])
    expect(page.locator(".badge", has_text="attempt 2")).to_be_visible()
    screenshot(page, "console-journey")
