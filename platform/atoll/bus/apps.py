"""The Django app of the bus."""

from django.apps import AppConfig, apps
from django.utils.module_loading import autodiscover_modules


class BusConfig(AppConfig):
    name = "atoll.bus"
    label = "atoll_bus"
    verbose_name = "Messages"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from atoll import logs, metrics
        from atoll.bus import checks  # noqa: F401 - registers them and those of the options
        from atoll.bus.operations.metrics import BusCollector
        from atoll.bus.worker import celery_environment
        from atoll.server import starting

        logs.follow_logging()
        autodiscover_modules("handlers")
        metrics.SERVICE.register(BusCollector())
        if apps.is_installed("atoll.health"):
            from atoll.bus.inbox import readiness_check
            from atoll.health.checks import register_check

            register_check("messages", readiness_check.Check())
        starting.require("variables of Celery", celery_environment.refuse)
