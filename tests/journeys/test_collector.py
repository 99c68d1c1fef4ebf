"""A trace that begins outside goes through gateway, services and messages, and reaches a collector whole."""

import itertools
from collections.abc import Iterator
from uuid import uuid4

import pytest

from atoll.testing.collector import Collected, Collector
from atoll.testing.running import Platform, eventually
from demo.shopper import Shopper

# Beside the platforms of the other journeys, one of which may be running.
PORT_OFFSET = 2000
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


@pytest.fixture(scope="module")
def observed(collector: Collector) -> Iterator[Platform]:
    """A platform whose processes have the standard variable of OpenTelemetry."""
    variables = {"ATOLL_PORT_OFFSET": str(PORT_OFFSET), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    running = Platform("collector", variables)
    running.start()
    yield running
    running.stop()


def test_one_trace_id_goes_from_a_foreign_request_over_the_services_and_their_messages_into_a_collector(
    observed: Platform, collector: Collector
):
    shopper = Shopper(observed.gateway_url)
    shopper.register()
    product = next(found for found in shopper.products(inStock="true", pageSize=50) if found["stock"] >= 5)
    order = shopper.ask(
        "POST",
        "/api/orders",
        json={"items": [{"productId": product["id"], "quantity": 1}], "paymentMethod": "card"},
        headers={"traceparent": f"00-{TRACE}-{SPAN}-01", "Idempotency-Key": str(uuid4())},
    )
    assert shopper.wait_until_final(order["id"], timeout_s=60)["status"] == "confirmed"

    # The last step of the order: products sells what it had reserved.
    eventually(lambda: named(collector, "process commit.stock"), what="the last span has arrived")
    eventually(lambda: not orphans(collector), what="each span has its parent, or is that of the request")

    spans = collector.trace(TRACE)
    request = named(collector, "POST orders")[0]
    assert (request.service, request.kind, request.parent_id) == ("api-gateway", "server", SPAN)
    assert {span.service for span in spans} >= {"order-service", "product-service", "payment-service"}
    assert len({span.attributes["messaging.message.id"] for span in spans if span.kind == "producer"}) >= 3

    path = [
        ("POST orders", "server"), ("POST order-service", "client"), ("POST /orders", "server"),
        ("publish reserve.stock", "producer"), ("process reserve.stock", "consumer"),
        ("publish stock.reserved", "producer"), ("process stock.reserved", "consumer"),
        ("publish process.payment", "producer"), ("process process.payment", "consumer"),
        ("publish payment.completed", "producer"), ("process payment.completed", "consumer"),
        ("publish commit.stock", "producer"), ("process commit.stock", "consumer"),
    ]  # fmt: skip
    by_name = {span.name: span for span in spans}
    assert [(name, by_name[name].kind) for name, _ in path] == path
    for above, below in itertools.pairwise(path):
        assert by_name[below[0]].parent_id == by_name[above[0]].span_id, f"{below[0]} is below {above[0]}"


def test_spans_have_the_attributes_of_the_semantic_conventions(observed: Platform, collector: Collector):
    required = {
        "server": {"http.request.method", "url.path", "url.scheme", "http.response.status_code"},
        "client": {"http.request.method", "server.address", "server.port", "http.response.status_code"},
        "producer": {
            "messaging.system", "messaging.operation.name", "messaging.operation.type",
            "messaging.destination.name", "messaging.message.id",
        },
    }  # fmt: skip
    required["consumer"] = required["producer"]
    spans = collector.trace(TRACE)
    assert {span.kind for span in spans} >= required.keys()
    for span in spans:
        assert required.get(span.kind, set()) <= span.attributes.keys(), span


def named(collector: Collector, name: str) -> list[Collected]:
    return [span for span in collector.trace(TRACE) if span.name == name]


def orphans(collector: Collector) -> list[Collected]:
    spans = collector.trace(TRACE)
    known = {span.span_id for span in spans} | {SPAN}
    return [span for span in spans if span.parent_id not in known]
