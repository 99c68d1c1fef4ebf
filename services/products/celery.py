"""The Celery application of the products project: `celery -A services.products worker`."""

from atoll.bus import celery_app

app = celery_app("products")
