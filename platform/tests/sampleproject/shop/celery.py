"""The Celery application of the shop's worker."""

from typing import assert_type

from celery import Celery

from atoll.bus import celery_app

app = celery_app()
assert_type(app, Celery)
