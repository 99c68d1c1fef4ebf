"""One order is one trace, from the gateway to the last handler, and the console draws it."""

import itertools
import json
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from atoll.testing.running import Platform, eventually
from demo.shopper import Item, Shopper
from tests.journeys.browsing import screenshot, sign_in

STAFF = ("support@atoll.example", "atoll-demo-support")
SPANS = """
import json
from registry.models import Span
wanted = Span.objects.filter(correlation_id=%(id)r)
print(json.dumps([
    {"trace": one.trace_id.hex, "id": one.span_id, "parent": one.parent_id, "service": one.service,
     "process": one.process, "kind": one.kind, "name": one.name, "error": one.error,
     "attempt": one.attributes.get("atoll.attempt")}
    for one in wanted.order_by("started_at")]))
"""


def spans_of(platform: Platform, correlation_id: str) -> list[dict[str, Any]]:
    told = platform.manage("registry", "shell", "-v", "0", "-c", SPANS % {"id": correlation_id})
    assert told.returncode == 0, told.stderr
    spans: list[dict[str, Any]] = json.loads(told.stdout)
    return spans


def placed(shopper: Shopper, **options: Any) -> tuple[dict[str, Any], str]:
    """An order that has reached its end, and its correlation id."""
    product = next(found for found in shopper.products(inStock="true", pageSize=50) if found["stock"] >= 5)
    order = shopper.place_order([Item(product["id"], 1)], **options)
    final = shopper.wait_until_final(order["id"], timeout_s=60)
    return final, str(final["history"][0]["correlationId"])


def traced(platform: Platform, shopper: Shopper) -> tuple[list[dict[str, Any]], str]:
    """The spans of a confirmed order, and its correlation id.

    A platform that has just had load samples no new trace for a while, so an order may leave no spans.
    """
    tried: dict[str, list[str]] = {}
    for _ in range(8):
        final, correlation_id = placed(shopper)
        assert final["status"] == "confirmed"
        found: list[dict[str, Any]] = []

        def is_told(found: list[dict[str, Any]] = found, wanted: str = correlation_id) -> bool:
            found[:] = spans_of(platform, wanted)
            return "process commit.stock" in {span["name"] for span in found}

        with suppress(AssertionError):
            eventually(is_told, timeout_s=20)
            return found, correlation_id
        tried[correlation_id] = [span["name"] for span in found]
    raise AssertionError(f"no order was traced to its last handler: {tried}")


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
