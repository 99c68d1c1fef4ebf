"""The Celery application of the payments project: `celery -A services.payments worker`."""

from atoll.bus import celery_app

app = celery_app("payments")
