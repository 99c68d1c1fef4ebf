"""Celery without the bus: no-op tasks on the same pool and concurrency as the bus's worker."""

import itertools
import os
import time

from celery import Celery

EVERY = 1000
counter = itertools.count(1)

# Celery's Django fixup would manage database connections, which a no-op does not use.
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
