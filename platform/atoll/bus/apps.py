"""The Django app of the bus."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class BusConfig(AppConfig):
    name = "atoll.bus"
    label = "atoll_bus"
    verbose_name = "Messages"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from atoll import metrics
        from atoll.bus.inbox import readiness
        from atoll.bus.operations.metrics import BusCollector
        from atoll.bus.worker import celery_environment
        from atoll.health.checks import register_check
        from atoll.server import starting

        autodiscover_modules("handlers")
        metrics.SERVICE.register(BusCollector())
        register_check("messages", readiness.Check())
        starting.require("variables of Celery", celery_environment.refuse)
