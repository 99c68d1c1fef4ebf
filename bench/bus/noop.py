"""Celery by itself: tasks that do nothing, on the pool and with the concurrency of our worker."""

import itertools
import os
import time

from celery import Celery

EVERY = 1000
counter = itertools.count(1)

# Celery's Django fixup would look after database connections that a no-op has no use for.
app = Celery("noop", broker=os.environ["RABBITMQ_URL"], fixups=[])
app.conf.update(
    task_ignore_result=True,
    task_default_queue=os.environ["BENCH_QUEUE"],
    worker_pool="threads",
    worker_concurrency=int(os.environ["BENCH_CONCURRENCY"]),
    broker_connection_retry_on_startup=True,
)


@app.task
def noop(number: int) -> None:
    count = next(counter)
    if count % EVERY == 0:
        with open(os.environ["BENCH_TIMES"], "a") as times:
            times.write(f"{count} {time.time_ns()}\n")
