from django.apps import AppConfig


class AtollServerConfig(AppConfig):
    """Gives every project the command ``serve``."""

    name = "atoll.server"
    label = "atoll_server"
