"""Settings of the small project that the library's own suite runs in."""

from atoll import conf
from atoll import settings as base
from atoll.admin.theme import unfold_settings
from atoll.logs import logging_config
from testproject.database import database

ATOLL_PROJECT = "library"
ATOLL_SERVICE = "library-service"
SECRET_KEY = "only the library's own tests are signed with this"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
INSTALLED_APPS = [
    *base.ADMIN_APPS,
    *base.PLATFORM_APPS,
    "atoll.bus",
    "atoll.process",
    "testproject",
    "bookings",
]
MIDDLEWARE = base.MIDDLEWARE
ROOT_URLCONF = "testproject.urls"
WSGI_APPLICATION = "testproject.wsgi.application"
TEMPLATES = base.TEMPLATES
DATABASES = {"default": database()}
CACHES = conf.cache_settings(ATOLL_PROJECT)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REST_FRAMEWORK = base.REST_FRAMEWORK
SPECTACULAR_SETTINGS = base.spectacular_settings("Atoll library")
UNFOLD = unfold_settings("Atoll library")
LOGGING = logging_config(ATOLL_PROJECT, ATOLL_SERVICE)
PASSWORD_HASHERS = base.PASSWORD_HASHERS
AUTHENTICATION_BACKENDS = base.AUTHENTICATION_BACKENDS
CSRF_FAILURE_VIEW = base.CSRF_FAILURE_VIEW
SESSION_ENGINE = base.SESSION_ENGINE
SESSION_COOKIE_NAME = "library_session"
CSRF_COOKIE_NAME = "library_csrf"
DATA_UPLOAD_MAX_MEMORY_SIZE = base.MAX_BODY_BYTES
APPEND_SLASH = False
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True
TIME_ZONE = "UTC"
USE_TZ = True
