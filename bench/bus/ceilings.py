"""The upper limits: the same broker without the bus, with persistent messages of the same size."""

import importlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amqp.basic_message import Message
from kombu import Connection, Exchange, Queue

from bench.bus.load import THREADS
from bench.bus.processes import Process, until

WINDOW = 500
EVERY = 1000
# The places of a worker in its shipped form.
CONCURRENCY = 4
WARM_UP = 200
KEY = "bench.booked"


@dataclass(frozen=True)
class Rate:
    per_s: float
    per_cpu_s: float


@contextmanager
def declared(url: str, prefix: str, *, waits_for_confirms: bool = False) -> Iterator[tuple[Connection, str]]:
    """An open connection, and the name of a durable topic exchange with a durable queue."""
    name = f"{prefix}ceiling"
    with Connection(url, transport_options={"confirm_publish": waits_for_confirms}) as connection:
        exchange = Exchange(name, type="topic", durable=True)
        queue = Queue(name, exchange, routing_key=KEY, durable=True)(connection.default_channel)
        queue.declare()
        yield connection, name
        queue.delete()
        exchange(connection.default_channel).delete()


def kombu_confirm(url: str, prefix: str, body: str, count: int) -> float:
    """Return the messages per second through ``kombu.Producer`` when each waits for its confirm."""
    with declared(url, prefix, waits_for_confirms=True) as (connection, exchange):
        producer = connection.Producer()
        begun = time.perf_counter()
        for _ in range(count):
            producer.publish(
                body, exchange=exchange, routing_key=KEY, delivery_mode=2,
                content_type="application/json", content_encoding="utf-8",
            )  # fmt: skip
        return count / (time.perf_counter() - begun)


def pyamqp_pipelined(url: str, prefix: str, body: str, count: int) -> float:
    """Return the messages per second through py-amqp with up to WINDOW confirms outstanding."""
    with declared(url, prefix) as (_, exchange):
        begun = time.perf_counter()
        pipelined(url, exchange, KEY, (body for _ in range(count)))
        return count / (time.perf_counter() - begun)


def pipelined(url: str, exchange: str, key: str, bodies: Iterable[str]) -> None:
    """Publish persistent messages with up to WINDOW confirms outstanding. Returns after the last confirm."""
    outstanding: set[int] = set()

    def acked(tag: int, multiple: bool) -> None:
        if multiple:
            outstanding.difference_update([held for held in outstanding if held <= tag])
        else:
            outstanding.discard(tag)

    with Connection(url) as connection:
        amqp: Any = connection.connection
        channel = amqp.channel()
        channel.confirm_select()
        channel.events["basic_ack"].add(acked)
        for tag, body in enumerate(bodies, start=1):
            outstanding.add(tag)
            message = Message(body, delivery_mode=2, content_type="application/json")
            channel.basic_publish(message, exchange=exchange, routing_key=key)
            while len(outstanding) >= WINDOW:
                amqp.drain_events(timeout=10)
        while outstanding:
            amqp.drain_events(timeout=10)


def celery_noop(url: str, prefix: str, folder: Path, count: int) -> Rate:
    """Tasks per second of a worker with ``count`` waiting tasks, after the first thousand."""
    times = folder / "noop.times"
    with tasks(url, f"{prefix}noop-rate", times) as (noop, worker):
        for number in range(1, count + 1):
            noop(number, False)
        with worker() as process:
            until(lambda: times.exists() and times.stat().st_size > 0, timeout_s=120)
            cpu_s, first = process.cpu_s(), len(times.read_text().splitlines())
            until(lambda: len(times.read_text().splitlines()) >= count // EVERY, timeout_s=120)
            cpu_s = process.cpu_s() - cpu_s
    moments = [int(line.split()[1]) for line in times.read_text().splitlines()]
    times.unlink()
    done = (len(moments) - first) * EVERY
    return Rate((len(moments) - 1) * EVERY / ((moments[-1] - moments[0]) / 1e9), done / cpu_s)


def celery_latency(url: str, prefix: str, folder: Path, per_s: float, seconds: float) -> list[float]:
    """Milliseconds from sending a task to its end, in an open loop on as many threads as the bus's load."""
    times = folder / "noop.times"
    sent: dict[int, int] = {}
    count = WARM_UP + int(per_s * seconds)
    with tasks(url, f"{prefix}noop-latency", times) as (noop, worker), worker():
        begun = time.time_ns()

        def send(offset: int) -> None:
            for number in range(offset, count, THREADS):
                time.sleep(max(0.0, (begun + number / per_s * 1e9 - time.time_ns()) / 1e9))
                sent[number] = time.time_ns()
                noop(number, True)

        threads = [threading.Thread(target=send, args=(offset,)) for offset in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: len(times.read_text().splitlines()) >= count, timeout_s=120)
    ends = dict(map(int, line.split()) for line in times.read_text().splitlines())
    times.unlink()
    return [(ends[number] - sent[number]) / 1e6 for number in range(WARM_UP, count)]


@contextmanager
def tasks(url: str, queue: str, times: Path) -> Iterator[tuple[Any, Any]]:
    """A function that sends a no-op task to ``queue``, and one that starts its worker.

    Use each name once in a process: kombu remembers the queues that it has declared, so a queue that was
    deleted is not declared again, and the tasks that are sent before its worker is there are dropped.
    """
    variables = {
        "RABBITMQ_URL": url,
        "BENCH_QUEUE": queue,
        "BENCH_CONCURRENCY": str(CONCURRENCY),
        "BENCH_NOOP_TIMES": str(times),
    }
    before = dict(os.environ)
    os.environ.update(variables)
    module = importlib.reload(importlib.import_module("bench.bus.noop"))
    # Only that module and its worker use these values; the service under load has its own.
    os.environ.clear()
    os.environ.update(before)
    command = ("-m", "celery", "-A", "bench.bus.noop", "worker", "-l", "WARNING",
               "--without-gossip", "--without-mingle", "--without-heartbeat")  # fmt: skip

    def send(number: int, is_timed: bool) -> None:
        with module.app.producer_or_acquire() as producer:
            module.noop.apply_async((number, is_timed), producer=producer)

    yield send, lambda: Process(times.with_suffix(".log"), command, variables)
    with module.app.connection() as connection:
        Queue(queue)(connection.default_channel).delete()
    module.app.close()
