"""ASGI entry point of the registry project."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry.settings")
django_application = get_asgi_application()

from atoll.api.asgi import bounded  # noqa: E402
from registry.http.app import RegistryApplication  # noqa: E402  # needs the apps loaded

application = RegistryApplication(bounded(django_application))  # type: ignore[arg-type]
