"""An order whose trace the registry has kept."""

import json
from contextlib import suppress
from typing import Any

from atoll.testing.running import Platform, eventually
from demo.shopper import Item, Shopper

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
