"""The Django app of process managers. It has no tables of its own."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class ProcessConfig(AppConfig):
    name = "atoll.process"
    label = "atoll_process"
    verbose_name = "Processes"

    def ready(self) -> None:
        from atoll.process import checks, handlers  # noqa: F401  both register by their import

        autodiscover_modules("process")
