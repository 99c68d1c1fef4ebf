"""What a service's ``celery.py`` looks like: ``celery -A testproject worker``."""

from atoll.bus import celery_app

app = celery_app("library")
