"""The upper limits: the same broker without the bus, with persistent messages of the same size."""

import os
import time
from pathlib import Path
from typing import Any

from amqp.basic_message import Message
from kombu import Connection, Exchange, Queue

from bench.bus.processes import Process, until

WINDOW = 500


def declared(
    url: str, prefix: str, *, waits_for_confirms: bool = False
) -> tuple[Connection, Exchange, Queue]:
    """Return an open connection, and a durable topic exchange with a durable queue."""
    connection = Connection(url, transport_options={"confirm_publish": waits_for_confirms})
    exchange = Exchange(f"{prefix}ceiling", type="topic", durable=True)
    queue = Queue(f"{prefix}ceiling", exchange, routing_key="bench.booked", durable=True)
    queue(connection.default_channel).declare()
    return connection, exchange, queue


def remove(connection: Connection, exchange: Exchange, queue: Queue) -> None:
    queue(connection.default_channel).delete()
    exchange(connection.default_channel).delete()
    connection.close()


def kombu_confirm(url: str, prefix: str, body: str, count: int) -> float:
    """Return the messages per second through ``kombu.Producer`` when each waits for its confirm."""
    connection, exchange, queue = declared(url, prefix, waits_for_confirms=True)
    producer = connection.Producer()
    begun = time.perf_counter()
    for _ in range(count):
        producer.publish(
            body, exchange=exchange, routing_key="bench.booked", delivery_mode=2,
            content_type="application/json", content_encoding="utf-8",
        )  # fmt: skip
    rate = count / (time.perf_counter() - begun)
    remove(connection, exchange, queue)
    return rate


def pyamqp_pipelined(url: str, prefix: str, body: str, count: int) -> float:
    """Return the messages per second through py-amqp with up to WINDOW confirms outstanding."""
    connection, exchange, queue = declared(url, prefix)
    amqp: Any = connection.connection
    channel = amqp.channel()
    channel.confirm_select()
    outstanding: set[int] = set()

    def acked(tag: int, multiple: bool) -> None:
        if multiple:
            outstanding.difference_update([held for held in outstanding if held <= tag])
        else:
            outstanding.discard(tag)

    channel.events["basic_ack"].add(acked)
    begun = time.perf_counter()
    for tag in range(1, count + 1):
        outstanding.add(tag)
        message = Message(body, delivery_mode=2, content_type="application/json")
        channel.basic_publish(message, exchange=exchange.name, routing_key="bench.booked")
        while len(outstanding) >= WINDOW:
            amqp.drain_events(timeout=10)
    while outstanding:
        amqp.drain_events(timeout=10)
    rate = count / (time.perf_counter() - begun)
    remove(connection, exchange, queue)
    return rate


def celery_noop(url: str, prefix: str, folder: Path, count: int, concurrency: int) -> float:
    """Return the tasks per second of a worker with ``count`` waiting tasks, after the first thousand."""
    times = folder / "noop.times"
    variables = {
        "RABBITMQ_URL": url,
        "BENCH_QUEUE": f"{prefix}noop",
        "BENCH_CONCURRENCY": str(concurrency),
        "BENCH_TIMES": str(times),
    }
    before = dict(os.environ)
    os.environ.update(variables)
    from bench.bus.noop import EVERY, app, noop

    # Only that module and its worker use these values; the service under load has its own.
    os.environ.clear()
    os.environ.update(before)
    with app.producer_or_acquire() as producer:
        for number in range(count):
            noop.apply_async((number,), producer=producer)
    command = ("-m", "celery", "-A", "bench.bus.noop", "worker", "-l", "WARNING",
               "--without-gossip", "--without-mingle", "--without-heartbeat")  # fmt: skip
    with Process(folder / "noop.log", command, variables):
        until(lambda: times.exists() and len(times.read_text().splitlines()) >= count // EVERY, timeout_s=120)
    moments = [int(line.split()[1]) for line in times.read_text().splitlines()]
    with app.connection() as connection:
        Queue(variables["BENCH_QUEUE"])(connection.default_channel).delete()
    return (len(moments) - 1) * EVERY / ((moments[-1] - moments[0]) / 1e9)
