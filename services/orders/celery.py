"""The Celery application of the orders project: `celery -A services.orders worker`."""

from atoll.bus import celery_app

app = celery_app("orders")
