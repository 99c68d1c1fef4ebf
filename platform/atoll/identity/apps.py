from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "atoll.identity"
    label = "atoll_identity"
    verbose_name = "Identity"

    def ready(self) -> None:
        # REST framework must be complete before drf-spectacular can be imported.
        from atoll.identity import openapi  # noqa: F401
