import warnings

from django.apps import AppConfig


class AtollServerConfig(AppConfig):
    """Gives every project the command ``serve``."""

    name = "atoll.server"
    label = "atoll_server"

    def ready(self) -> None:
        # WhiteNoise finds the files of apps by itself where nobody ran collectstatic.
        warnings.filterwarnings("ignore", message="No directory at: ", category=UserWarning)
