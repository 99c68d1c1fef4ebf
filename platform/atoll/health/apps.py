from django.apps import AppConfig


class AtollHealthConfig(AppConfig):
    """Every project checks its database, which is required, and its cache, which is not."""

    name = "atoll.health"
    label = "atoll_health"

    def ready(self) -> None:
        from health_check.checks import Cache

        from atoll.health.checks import Database, register

        register("database", Database())
        register("cache", Cache(), required=False)
