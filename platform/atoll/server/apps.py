import warnings

from django.apps import AppConfig


class AtollServerConfig(AppConfig):
    """The command ``serve``, and the check that no two projects share a database."""

    name = "atoll.server"
    label = "atoll_server"

    def ready(self) -> None:
        from atoll.server import ownership, starting

        starting.require("a database of its own", ownership.refuse_foreign)
        # WhiteNoise finds the files of apps by itself where nobody ran collectstatic.
        warnings.filterwarnings("ignore", message="No directory at: ", category=UserWarning)
