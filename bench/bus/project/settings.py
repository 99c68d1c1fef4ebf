"""Settings of the service under load: the settings of a service without an API."""

from atoll import conf
from atoll import settings as base
from atoll.admin.theme import unfold_settings
from atoll.logs import logging_config

PROJECT = conf.project("bench")
ATOLL_PROJECT = PROJECT.name
ATOLL_SERVICE = PROJECT.service

SECRET_KEY = "nothing is signed with this"  # noqa: S105
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [*base.ADMIN_APPS, *base.PLATFORM_APPS, "atoll.bus", "bench.bus.project"]
MIDDLEWARE = base.MIDDLEWARE
ROOT_URLCONF = "atoll.urls"
TEMPLATES = base.TEMPLATES
DATABASES = {"default": conf.database(PROJECT.name)}
CACHES = conf.cache_settings(PROJECT.name)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
UNFOLD = unfold_settings("Bench")
LOGGING = logging_config(PROJECT.name, PROJECT.service)
TIME_ZONE = "UTC"
USE_TZ = True
