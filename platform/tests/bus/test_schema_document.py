"""The AsyncAPI document of a platform: complete, stable, and equal after reading it back."""

import json
import re
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any, ClassVar
from uuid import UUID

import pytest
from jsonschema import Draft7Validator

from atoll import wire
from atoll.bus.broker import envelope
from atoll.bus.schemas import asyncapi, catalogue, definitions, json_schema
from atoll.bus.schemas.definitions import Definition, ServiceMessages, Subscription
from atoll.errors import Misuse
from atoll.ids import uuid7


@dataclass
class Placed:
    """An order was placed.

    Not for the summary.
    """

    type: ClassVar[str] = "order.placed"
    version: ClassVar[int] = 2
    order_id: UUID


@dataclass
class Reserve:
    command: ClassVar[str] = "reserve.stock"
    to: ClassVar[str] = "product-service"
    order_id: UUID


@dataclass
class Remind:
    command: ClassVar[str] = "remind"
    deprecated: ClassVar[bool] = True
    order_id: UUID


@dataclass
class RateChanged:
    """Declared here, announced outside."""

    type: ClassVar[str] = "rate.changed"
    senders: ClassVar[tuple[str, ...]] = ("old-bank",)
    order_id: UUID


@dataclass
class Other:
    """Only read here."""

    order_id: UUID


def module(*classes: type) -> ModuleType:
    made = ModuleType(__name__)
    made.__dict__.update({cls.__name__: cls for cls in classes})
    return made


def reads(name: str, kind: Any = "event", version: int = 1) -> Subscription:
    schema = json_schema.of_class(Other)
    return Subscription(
        handler=f"on_{name}", kind=kind, name=name, version=version, schema=schema, payload="Other"
    )


ORDERS = ServiceMessages(
    service="order-service",
    announces=definitions.announced([module(Placed, Reserve, Remind, RateChanged, Other)], "order-service"),
    reads=[reads("remind", "command"), reads("rate.changed")],
    upcasts={},
)
PRODUCTS = ServiceMessages(
    service="product-service",
    announces=[],
    reads=[reads("reserve.stock", "command"), reads("order.*", version=2)],
    upcasts={"order.placed": [1]},
)
FIRST = replace(
    next(item for item in ORDERS.announces if item.name == "order.placed"),
    version=1,
    schema={"type": "object"},
)


def made(*projects: ServiceMessages, earlier: list[Definition] | None = None) -> dict[str, Any]:
    known = catalogue.definitions(projects, [FIRST] if earlier is None else earlier)
    return asyncapi.document(projects, known)


DOCUMENT = made(ORDERS, PRODUCTS)


def test_definitions_are_the_classes_with_a_name_and_carry_when_they_were_sent() -> None:
    assert [(item.kind, item.name, item.to, item.version, item.deprecated) for item in ORDERS.announces] == [
        ("command", "remind", "order-service", 1, True),
        ("command", "reserve.stock", "product-service", 1, False),
        ("event", "order.placed", "", 2, False),
        ("event", "rate.changed", "", 1, False),
    ]
    placed = ORDERS.announces[2]
    assert placed.summary == "An order was placed."
    assert placed.schema == {
        "type": "object",
        "properties": {
            "orderId": {"type": "string", "format": "uuid"},
            "timestamp": {"type": "string", "format": "date-time"},
        },
        "required": ["orderId", "timestamp"],
    }


def test_two_classes_of_one_version_that_differ_are_a_mistake() -> None:
    @dataclass
    class Again:
        type: ClassVar[str] = "order.placed"
        version: ClassVar[int] = 2
        number: int

    with pytest.raises(Misuse, match=r"define order.placed version 2 differently"):
        definitions.announced([module(Placed, Again)], "order-service")


def test_a_process_reads_the_messages_that_another_wrote() -> None:
    assert ServiceMessages.from_json(json.loads(json.dumps(ORDERS.as_json()))) == ORDERS


def test_the_order_of_projects_does_not_matter() -> None:
    assert asyncapi.to_json(made(PRODUCTS, ORDERS)) == asyncapi.to_json(DOCUMENT)


def test_a_document_is_read_back_as_the_definitions_it_was_written_from() -> None:
    known = catalogue.definitions([ORDERS, PRODUCTS], [FIRST])
    found = asyncapi.read_definitions(json.loads(asyncapi.to_json(DOCUMENT)))
    assert sorted(found, key=lambda item: item.key) == sorted(known, key=lambda item: item.key)


def test_every_message_stands_in_the_channel_of_its_address_in_each_version() -> None:
    assert {
        name: (channel["address"], list(channel["messages"]))
        for name, channel in DOCUMENT["channels"].items()
    } == {
        "commands.order-service": ("order-service", ["order-service.remind.v1"]),
        "commands.product-service": ("product-service", ["product-service.reserve.stock.v1"]),
        "events.order.placed": ("order.placed", ["order.placed.v1", "order.placed.v2"]),
        "events.rate.changed": ("rate.changed", ["rate.changed.v1"]),
    }
    exchanges = {
        name: channel["bindings"]["amqp"]["exchange"] for name, channel in DOCUMENT["channels"].items()
    }
    assert (exchanges["events.order.placed"]["name"], exchanges["events.order.placed"]["type"]) == (
        "events",
        "topic",
    )
    assert exchanges["commands.product-service"]["type"] == "direct"


def test_operations_name_senders_and_receivers_of_each_message() -> None:
    messages = {
        name: [reference["$ref"].rsplit("/", 1)[1] for reference in operation["messages"]]
        for name, operation in DOCUMENT["operations"].items()
    }
    assert messages == {
        "old-bank.send.events.rate.changed": ["rate.changed.v1"],
        "order-service.receive.commands.order-service": ["order-service.remind.v1"],
        "order-service.receive.events.rate.changed": ["rate.changed.v1"],
        "order-service.send.commands.order-service": ["order-service.remind.v1"],
        "order-service.send.commands.product-service": ["product-service.reserve.stock.v1"],
        "order-service.send.events.order.placed": ["order.placed.v2"],
        "product-service.receive.commands.product-service": ["product-service.reserve.stock.v1"],
        "product-service.receive.events.order.placed": ["order.placed.v1", "order.placed.v2"],
    }


def test_each_message_lists_its_senders() -> None:
    messages = DOCUMENT["components"]["messages"]
    facts = {name: message["x-atoll"] for name, message in messages.items()}
    assert {name: fact["senders"] for name, fact in facts.items()} == {
        "order-service.remind.v1": ["order-service"],
        "order.placed.v1": ["order-service"],
        "order.placed.v2": ["order-service"],
        "product-service.reserve.stock.v1": ["order-service"],
        "rate.changed.v1": ["old-bank"],
    }
    assert [name for name, fact in facts.items() if fact.get("foreign")] == ["rate.changed.v1"]


def test_senders_must_be_a_tuple_of_names() -> None:
    @dataclass
    class Said:
        type: ClassVar[str] = "rate.said"
        senders: ClassVar[str] = "old-bank"

    with pytest.raises(Misuse, match=r"Said.senders is 'old-bank'; it must be a tuple"):
        definitions.announced([module(Said)], "order-service")


def test_superseded_and_deprecated_messages_are_marked() -> None:
    messages = DOCUMENT["components"]["messages"]
    marked = {name for name, message in messages.items() if message["payload"].get("deprecated")}
    assert marked == {"order.placed.v1", "order-service.remind.v1"}


def test_the_messages_of_the_bus_are_valid_under_the_document() -> None:
    order_id = uuid7()
    body = envelope.build(
        kind="event", name="order.placed", message_id=uuid7(), data=wire.to_payload(Placed(order_id)),
        service_id="order-service", correlation_id=str(uuid7()), version=2,
    )  # fmt: skip
    schema = inlined(DOCUMENT["components"]["messages"]["order.placed.v2"]["payload"])
    Draft7Validator(schema).validate(json.loads(body))
    assert not Draft7Validator(schema).is_valid(json.loads(body) | {"version": 3})
    assert Draft7Validator(schema).is_valid(
        {"eventType": "order.placed", "data": {"orderId": str(order_id), "timestamp": "2026-11-23T10:00:00Z"}}
    )


def resolved(reference: str) -> Any:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return node


def inlined(node: Any) -> Any:
    if isinstance(node, dict):
        return (
            resolved(node["$ref"]) if "$ref" in node else {key: inlined(value) for key, value in node.items()}
        )
    return [inlined(item) for item in node] if isinstance(node, list) else node


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for item in node for found in references(item)] if isinstance(node, list) else []


def test_the_document_has_the_structure_of_asyncapi_3() -> None:
    assert set(DOCUMENT) == {
        "asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"
    }  # fmt: skip
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for reference in references(DOCUMENT):
        resolved(reference)
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])
    for group in DOCUMENT["components"].values():
        assert all(re.fullmatch(r"[\w.\-]+", key) for key in group)
    for message in DOCUMENT["components"]["messages"].values():
        Draft7Validator.check_schema(inlined(message["payload"]))
