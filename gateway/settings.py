"""Settings of the gateway project: flat values, each final where it stands."""

from pathlib import Path

from atoll import conf
from atoll import settings as base
from atoll.admin.theme import unfold_settings
from atoll.logs import logging_config

PROJECT = conf.project("gateway")
ATOLL_PROJECT = PROJECT.name
ATOLL_SERVICE = PROJECT.service

SECRET_KEY = conf.secret("SECRET_KEY", PROJECT.name)
DEBUG = False
ALLOWED_HOSTS = conf.allowed_hosts()

INSTALLED_APPS = [
    "gateway",  # before the platform, since its command "serve" is another one
    *base.ADMIN_APPS,
    *base.PLATFORM_APPS,
]
MIDDLEWARE = base.MIDDLEWARE
ROOT_URLCONF = "gateway.urls"
WSGI_APPLICATION = "gateway.wsgi.application"
# The gateway's own base.html extends the theme's, so it must be found first.
TEMPLATES = [{**base.TEMPLATES[0], "DIRS": [Path(__file__).parent / "theme"]}]

DATABASES = {"default": conf.database(PROJECT.name)}
CACHES = conf.cache_settings(PROJECT.name)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK = base.REST_FRAMEWORK
SPECTACULAR_SETTINGS = base.spectacular_settings("Atoll gateway")
UNFOLD = unfold_settings("Atoll gateway")
LOGGING = logging_config(PROJECT.name, PROJECT.service)

PASSWORD_HASHERS = base.PASSWORD_HASHERS
AUTHENTICATION_BACKENDS = base.AUTHENTICATION_BACKENDS

# All admins share a host, so each project's cookies carry its name.
CSRF_FAILURE_VIEW = base.CSRF_FAILURE_VIEW
SESSION_ENGINE = base.SESSION_ENGINE
SESSION_COOKIE_NAME = f"{PROJECT.name}_session"
CSRF_COOKIE_NAME = f"{PROJECT.name}_csrf"
SESSION_COOKIE_AGE = base.SESSION_AGE_S
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = conf.environment() == "production"
CSRF_TRUSTED_ORIGINS = conf.trusted_origins()
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DATA_UPLOAD_MAX_MEMORY_SIZE = base.MAX_BODY_BYTES
APPEND_SLASH = False
LOGIN_REDIRECT_URL = "admin:index"
STATIC_URL = "/static/"
STATIC_ROOT = conf.root() / "staticfiles" / PROJECT.name
WHITENOISE_USE_FINDERS = True
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = base.FORMAT_MODULE_PATH
TIME_ZONE = "UTC"
USE_TZ = True
SILENCED_SYSTEM_CHECKS = base.SILENCED_SYSTEM_CHECKS
