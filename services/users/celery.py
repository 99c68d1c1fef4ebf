"""The Celery application of the users project: `celery -A services.users worker`."""

from atoll.bus import celery_app

app = celery_app("users")
