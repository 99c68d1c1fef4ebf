"""Clients without Atoll read and write messages by docs/messages.md."""

import json
from uuid import uuid4

import pika
import pytest

from atoll.dev.servers import PREFIX
from atoll.testing.foreign_clients import ForeignClient, foreign_client
from atoll.testing.running import Platform, eventually
from demo.shopper import Item, Shopper

pytestmark = pytest.mark.on("rabbitmq")


@pytest.fixture
def channel(platform: Platform):
    if "RABBITMQ_URL" not in platform.variables:
        pytest.skip("only on RabbitMQ")
    connection = pika.BlockingConnection(
        pika.URLParameters(platform.variables["RABBITMQ_URL"].rstrip("/") + "/%2F")
    )
    yield connection.channel()
    connection.close()


@pytest.fixture(params=["node", "python"])
def client(request: pytest.FixtureRequest, platform: Platform) -> ForeignClient:
    if "RABBITMQ_URL" not in platform.variables:
        pytest.skip("only on RabbitMQ")
    return foreign_client(request.param, platform.variables["RABBITMQ_URL"], PREFIX)


def test_a_service_in_another_language_follows_an_order_and_changes_a_name_on_it(
    platform: Platform, shopper: Shopper, channel, client: ForeignClient
):
    queue = f"{PREFIX}evt.mail-service"
    product = next(found for found in shopper.products(inStock="true") if found["stock"] >= 5)
    consuming = client.consume("event", "order.*", queue, count=2)
    try:
        placed = shopper.place_order([Item(product["id"], 1)])
        shopper.wait_until_final(placed["id"])
        created, confirmed = consuming.messages()
    finally:
        channel.queue_delete(queue)
    assert [created["routingKey"], confirmed["routingKey"]] == ["order.created", "order.confirmed"]
    assert created["body"]["data"]["orderId"] == confirmed["body"]["data"]["orderId"] == placed["id"]
    name = f"Foreign {uuid4().hex[:8]}"
    changes = {"userId": shopper.user["id"], "changes": {"name": name}}
    event = {"eventType": "user.updated", "data": changes, "timestamp": "2099-01-01T00:00:00.000Z"}
    client.publish("event", "user.updated", event, {"messageId": uuid4().hex, "appId": "crm"})
    eventually(
        lambda: shopper.order(placed["id"])["customer"]["name"] == name, what="the foreign event is heard"
    )


def test_a_foreign_consumer_sees_the_events_of_an_order(platform: Platform, shopper: Shopper, channel):
    exchange = f"{PREFIX}events"
    channel.exchange_declare(exchange, "topic", durable=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, exchange, "order.#")
    product = next(found for found in shopper.products(inStock="true") if found["stock"] >= 5)
    placed = shopper.place_order([Item(product["id"], 1)])
    seen: dict[str, dict] = {}

    def confirmed_seen() -> bool:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method:
            message = json.loads(body)
            if message["data"]["orderId"] == placed["id"]:
                assert method.routing_key == message["eventType"] == properties.type
                assert properties.message_id == message["id"]
                assert properties.content_type == "application/json"
                assert properties.delivery_mode == 2
                seen[message["eventType"]] = message
        return "order.confirmed" in seen

    eventually(confirmed_seen, what="order.created and order.confirmed on the wire")
    created = seen["order.created"]
    assert set(created) >= {"id", "eventType", "data", "timestamp", "serviceId", "correlationId", "version"}
    assert created["serviceId"] == "order-service"
    assert created["data"]["items"][0]["unitPrice"] == product["price"]
    assert created["data"]["total"] == product["price"]


def test_a_foreign_producer_without_an_id_is_heard_once(platform: Platform, shopper: Shopper, channel):
    product = next(found for found in shopper.products(inStock="true") if found["stock"] >= 5)
    placed = shopper.place_order([Item(product["id"], 1)])
    shopper.wait_until_final(placed["id"])
    body = json.dumps(
        {
            "eventType": "user.updated",
            "data": {"userId": shopper.user["id"], "changes": {"name": f"Foreign {uuid4().hex[:8]}"}},
            "timestamp": "2099-01-01T00:00:00.000Z",
            "serviceId": "somebody-else",
        }
    )
    for _ in range(2):
        channel.basic_publish(f"{PREFIX}events", "user.updated", body.encode())
    name = json.loads(body)["data"]["changes"]["name"]
    eventually(
        lambda: shopper.order(placed["id"])["customer"]["name"] == name, what="the foreign event is heard"
    )
