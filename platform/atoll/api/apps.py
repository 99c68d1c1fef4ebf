from django.apps import AppConfig


class AtollApiConfig(AppConfig):
    name = "atoll.api"
    label = "atoll_api"
    verbose_name = "HTTP API"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from atoll.api import paths

        paths.register()
