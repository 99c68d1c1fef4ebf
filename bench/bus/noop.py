"""Celery without the bus: no-op tasks on the same pool and concurrency as the bus's worker."""

import os
import time

from celery import Celery

_times = os.open(os.environ["BENCH_NOOP_TIMES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

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
def noop(number: int, is_timed: bool) -> None:
    """Notes its time like the bus's handler does. Of a backlog every thousandth is enough."""
    if is_timed or number % 1000 == 0:
        os.write(_times, b"%d %d\n" % (number, time.time_ns()))
