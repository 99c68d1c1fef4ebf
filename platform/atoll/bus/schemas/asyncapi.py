"""The AsyncAPI 3.0 document of the whole platform: how it is written and read back.

The same messages give the same document, byte for byte. The extension ``x-atoll`` holds the
facts that AsyncAPI has no keyword for; ``read_definitions`` reads them from there.
"""

import json
from collections.abc import Iterable
from typing import Any

import atoll
from atoll.bus.schemas.compatibility import definitions_for
from atoll.bus.schemas.definitions import Definition, ServiceMessages
from atoll.bus.schemas.json_schema import Schema

Node = dict[str, Any]

EXCHANGES = {"event": ("events", "topic"), "command": ("commands", "direct")}
BINDING_VERSION = "0.3.0"
FLAGS = ("deprecated", "superseded", "foreign", "outside")
INTRODUCTION = """\
Every event and command of the platform, written by `python manage.py asyncapi` from the services' \
`events.py` and `handlers.py`. docs/messages.md says how to publish and consume them with any AMQP client.

Messages are persistent, `content_type: application/json`. The AMQP properties `message_id`, `type`, \
`app_id`, `correlation_id` and `timestamp` repeat the envelope. From a foreign producer every field but \
the name may be missing. Readers ignore fields they do not know."""

HEADERS: Schema = {
    "type": "object",
    "properties": {
        "traceparent": {
            "type": "string",
            "description": "W3C trace context: the trace is the correlation id, the span is the message.",
        },
        "x-atoll-key": {
            "type": "string",
            "maxLength": 255,
            "description": "Messages of one key are published in the order of their commits.",
        },
        "x-atoll-seq": {
            "type": "string",
            "pattern": "^[1-9][0-9]*$",
            "description": "Rises by one with each message of the key from its service.",
        },
    },
}
ENVELOPE: dict[str, Schema] = {
    "id": {"type": "string", "maxLength": 255, "description": "The same for every copy of the message."},
    "timestamp": {"type": "string", "format": "date-time", "description": "When it was sent."},
    "serviceId": {"type": "string", "maxLength": 255, "description": "Who sent it."},
    "correlationId": {"type": "string", "description": "Names the work it belongs to, across services."},
}


def document(projects: Iterable[ServiceMessages], definitions: Iterable[Definition]) -> Node:
    """Return the document of all projects. ``definitions`` come from ``catalogue.definitions``."""
    projects = sorted(projects, key=lambda project: project.service)
    definitions = sorted(definitions, key=lambda definition: definition.key)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Atoll",
            "version": atoll.__version__,
            "description": INTRODUCTION,
        },
        "defaultContentType": "application/json",
        "servers": {
            "rabbitmq": {
                "host": "{host}:{port}",
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "RabbitMQ, as RABBITMQ_URL names it.",
                "variables": {"host": {"default": "rabbitmq"}, "port": {"default": "5672"}},
            }
        },
        "channels": _channels(definitions),
        "operations": _operations(projects, definitions),
        "components": {
            "messages": {_message_key(definition): _message(definition) for definition in definitions},
            "schemas": {"headers": HEADERS, **ENVELOPE},
        },
    }


def to_json(made: Node) -> str:
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def read_definitions(made: Node) -> list[Definition]:
    """Return the definitions from which a document was written."""
    return [
        Definition(
            **message["x-atoll"],
            schema=message["payload"]["properties"]["data"],
            summary=message.get("summary", ""),
        )
        for message in made["components"]["messages"].values()
    ]


def _channel_key(definition: Definition) -> str:
    return f"events.{definition.name}" if definition.kind == "event" else f"commands.{definition.to}"


def _message_key(definition: Definition) -> str:
    owner = f"{definition.to}." if definition.kind == "command" else ""
    return f"{owner}{definition.name}.v{definition.version}"


def _ref(*steps: str) -> Node:
    return {"$ref": "#/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)}


def _channels(definitions: list[Definition]) -> Node:
    channels: Node = {}
    for definition in definitions:
        exchange, kind = EXCHANGES[definition.kind]
        channel = channels.setdefault(
            _channel_key(definition),
            {
                "address": definition.name if definition.kind == "event" else definition.to,
                "description": f"Routing key on the {kind} exchange `{exchange}`.",
                "messages": {},
                "bindings": {
                    "amqp": {
                        "is": "routingKey",
                        "exchange": {
                            "name": exchange,
                            "type": kind,
                            "durable": True,
                            "autoDelete": False,
                            "vhost": "/",
                        },
                        "bindingVersion": BINDING_VERSION,
                    }
                },
            },
        )
        key = _message_key(definition)
        channel["messages"][key] = _ref("components", "messages", key)
    return dict(sorted(channels.items()))


def _message(definition: Definition) -> Node:
    name = "eventType" if definition.kind == "event" else "command"
    payload: Node = {
        "type": "object",
        "required": [name, "data"],
        "properties": {
            "id": _ref("components", "schemas", "id"),
            name: {"const": definition.name},
            "data": definition.schema,
            **{field: _ref("components", "schemas", field) for field in ENVELOPE if field != "id"},
            "version": {"const": definition.version, "description": "1 where it is missing."},
        },
    }
    if definition.deprecated or definition.superseded:
        payload["deprecated"] = True
    return {
        "name": definition.name,
        "title": f"{definition.name}, version {definition.version}",
        **({"summary": definition.summary} if definition.summary else {}),
        "contentType": "application/json",
        "headers": _ref("components", "schemas", "headers"),
        "correlationId": {"location": "$message.payload#/correlationId"},
        "payload": payload,
        "bindings": {"amqp": {"messageType": definition.name, "bindingVersion": BINDING_VERSION}},
        "x-atoll": {
            "kind": definition.kind,
            "name": definition.name,
            "version": definition.version,
            "service": definition.service,
            **({"to": definition.to} if definition.to else {}),
            "senders": definition.announcers,
            **(
                {"subject": definition.subject, "personal": definition.personal}
                if definition.personal
                else {}
            ),
            **{flag: True for flag in FLAGS if getattr(definition, flag)},
        },
    }


def _operations(projects: list[ServiceMessages], definitions: list[Definition]) -> Node:
    operations: Node = {}
    for definition in definitions:
        if not definition.superseded:
            for sender in definition.announcers:
                _add(operations, sender, "send", definition)
    for project in projects:
        for subscription in project.reads:
            for definition in definitions_for(definitions, project.service, subscription):
                operation = _add(operations, project.service, "receive", definition)
                facts = {"handler": subscription.handler, "version": subscription.version}
                if facts not in operation["x-atoll-handlers"]:
                    operation["x-atoll-handlers"].append(facts)
    return dict(sorted(operations.items()))


def _add(operations: Node, service: str, action: str, definition: Definition) -> Node:
    channel = _channel_key(definition)
    amqp: Node = {"ack": True} if action == "receive" else {"deliveryMode": 2, "timestamp": True}
    if action == "send":
        amqp["mandatory"] = definition.kind == "command"
    queue = f"{'evt' if definition.kind == 'event' else 'cmd'}.{service}"
    operation: Node = operations.setdefault(
        f"{service}.{action}.{channel}",
        {
            "action": action,
            "channel": _ref("channels", channel),
            **({"description": f"From its durable queue `{queue}`."} if action == "receive" else {}),
            "tags": [{"name": service}],
            "messages": [],
            "bindings": {"amqp": amqp | {"bindingVersion": BINDING_VERSION}},
            **({"x-atoll-handlers": []} if action == "receive" else {}),
        },
    )
    reference = _ref("channels", channel, "messages", _message_key(definition))
    if reference not in operation["messages"]:
        operation["messages"].append(reference)
    return operation
