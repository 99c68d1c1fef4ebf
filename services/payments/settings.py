"""Settings of the payments project."""

from atoll import conf
from atoll import settings as base
from atoll.admin.theme import unfold_settings
from atoll.logs import logging_config

PROJECT = conf.project("payments")
ATOLL_PROJECT = PROJECT.name
ATOLL_SERVICE = PROJECT.service

PAYMENT_PROVIDER = "services.payments.provider.sandbox.SandboxProvider"
SANDBOX_LATENCY_S = conf.seconds("SANDBOX_LATENCY_S", 0.005, PROJECT.name)

SECRET_KEY = conf.secret("SECRET_KEY", PROJECT.name)
DEBUG = False
ALLOWED_HOSTS = conf.allowed_hosts()

INSTALLED_APPS = [
    *base.ADMIN_APPS,
    *base.PLATFORM_APPS,
    "atoll.bus",
    "services.payments",
]
MIDDLEWARE = base.MIDDLEWARE
ROOT_URLCONF = "services.payments.urls"
WSGI_APPLICATION = "services.payments.wsgi.application"
TEMPLATES = base.TEMPLATES

DATABASES = {"default": conf.database(PROJECT.name)}
CACHES = conf.cache_settings(PROJECT.name)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK = base.REST_FRAMEWORK
SPECTACULAR_SETTINGS = base.spectacular_settings("Atoll payments")
UNFOLD = unfold_settings("Atoll payments")
LOGGING = logging_config(PROJECT.name, PROJECT.service)

PASSWORD_HASHERS = base.PASSWORD_HASHERS
AUTHENTICATION_BACKENDS = base.AUTHENTICATION_BACKENDS

# The admins share a host, so the cookies of each project have its name.
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

# The currency of prices that name none.
SHOP_CURRENCY = base.shop_currency(PROJECT.name)
