"""Receive Atoll's messages on a durable queue, in a Python program without Atoll:

    python consume.py event 'order.#' evt.mail-service
    python consume.py command mail-service cmd.mail-service

Prints one line of JSON per message. An optional last argument is the number of messages to receive.
"""

import json
import os
import sys

import pika

kind, binding_key, queue, *rest = sys.argv[1:]
count = int(rest[0]) if rest else None
exchange = f"{os.environ.get('BUS_PREFIX', '')}{kind}s"

connection = pika.BlockingConnection(pika.URLParameters(os.environ.get("AMQP_URL", "amqp://localhost/%2F")))
channel = connection.channel()
channel.exchange_declare(exchange, "topic" if kind == "event" else "direct", durable=True)
channel.queue_declare(queue, durable=True)
channel.queue_bind(queue, exchange, binding_key)
channel.basic_qos(prefetch_count=20)
print("consuming", file=sys.stderr, flush=True)

for received, (method, found, body) in enumerate(channel.consume(queue), start=1):
    properties = {
        "messageId": found.message_id,
        "type": found.type,
        "appId": found.app_id,
        "correlationId": found.correlation_id,
        "contentType": found.content_type,
        "deliveryMode": found.delivery_mode,
        "headers": found.headers,
    }
    line = {"routingKey": method.routing_key, "properties": properties, "body": json.loads(body)}
    print(json.dumps(line), flush=True)
    # Acknowledge a message after handling it. The same id may come again: store it with your data.
    channel.basic_ack(method.delivery_tag)
    if received == count:
        break
connection.close()
