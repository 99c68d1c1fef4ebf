"""Publish one message to Atoll from a Python program without Atoll:

    python publish.py event order.created '{"eventType": "order.created", "data": {"orderId": "7"}}'
    python publish.py command product-service '{"command": "reserve.stock", "data": {...}}'

An optional last argument gives properties: '{"messageId": "...", "appId": "...", "correlationId": "..."}'.
"""

import json
import os
import sys

import pika
from pika.exceptions import UnroutableError

kind, routing_key, body, *rest = sys.argv[1:]
given = json.loads(rest[0]) if rest else {}
prefix = os.environ.get("BUS_PREFIX", "")

connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://localhost/%2F")))
channel = connection.channel()
channel.exchange_declare(f"{prefix}events", "topic", durable=True)
channel.exchange_declare(f"{prefix}commands", "direct", durable=True)
channel.confirm_delivery()
properties = pika.BasicProperties(
    content_type="application/json",
    delivery_mode=pika.DeliveryMode.Persistent,
    message_id=given.get("messageId"),
    app_id=given.get("appId"),
    correlation_id=given.get("correlationId"),
)
try:
    channel.basic_publish(
        f"{prefix}{kind}s", routing_key, body.encode(), properties, mandatory=kind == "command"
    )
except UnroutableError:
    sys.exit(f"No service takes commands as {routing_key}.")
finally:
    connection.close()
