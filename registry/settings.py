"""Settings of the registry project: flat values, each final where it stands."""

import ipaddress
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from atoll import conf, mail
from atoll import settings as base
from atoll.admin.theme import unfold_settings
from atoll.logs import logging_config

PROJECT = conf.project("registry")
ATOLL_PROJECT = PROJECT.name
ATOLL_SERVICE = PROJECT.service

SECRET_KEY = conf.secret("SECRET_KEY", PROJECT.name)
DEBUG = False
ALLOWED_HOSTS = conf.allowed_hosts()

INSTALLED_APPS = [
    *base.ADMIN_APPS,
    *base.PLATFORM_APPS,
    "registry",
]
MIDDLEWARE = base.MIDDLEWARE
ROOT_URLCONF = "registry.urls"
ASGI_APPLICATION = "registry.asgi.application"
TEMPLATES = base.TEMPLATES

DATABASES = {"default": conf.database(PROJECT.name)}
CACHES = conf.cache_settings(PROJECT.name)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK = base.REST_FRAMEWORK
SPECTACULAR_SETTINGS = base.spectacular_settings("Atoll registry")
# After the hook for enums, which makes the components anew.
SPECTACULAR_SETTINGS["POSTPROCESSING_HOOKS"].insert(1, "registry.http.description.add_calls")
UNFOLD = unfold_settings("Atoll registry")
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

# Mails of notifications.
MAIL = mail.server(PROJECT.name)
EMAIL_BACKEND = MAIL.backend
EMAIL_HOST = MAIL.host
EMAIL_PORT = MAIL.port
EMAIL_HOST_USER = MAIL.user
EMAIL_HOST_PASSWORD = MAIL.password
EMAIL_USE_TLS = MAIL.use_tls
EMAIL_USE_SSL = MAIL.use_ssl
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = MAIL.sender

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

# Whether this process may collect the figures of all instances and send notifications; one process does.
REGISTRY_COLLECTS = conf.flag("REGISTRY_COLLECTS", conf.environment() != "test")

# The address of a log store, for links of the console, with the places {correlation_id} and {service}.
LOGS_URL = conf.variable("LOGS_URL") or ""
if LOGS_URL and not LOGS_URL.startswith(("https://", "http://")):
    raise ImproperlyConfigured("LOGS_URL must begin with https:// or http://.")

# What may be registered (registry/addresses.py). Ports of databases, brokers and caches are
# never instances of a service.
REGISTRY_ALLOWED_NETWORKS = [
    ipaddress.ip_network(network.strip())
    for network in (
        conf.variable("REGISTRY_ALLOWED_NETWORKS")
        or "127.0.0.0/8,::1/128,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
    ).split(",")
]
REGISTRY_ALLOWED_NAMES = [
    name.strip() for name in (conf.variable("REGISTRY_ALLOWED_NAMES") or "localhost").split(",")
]
REGISTRY_LOWEST_PORT = int(conf.variable("REGISTRY_LOWEST_PORT") or 1024)
REGISTRY_REFUSED_PORTS = frozenset(
    # of the system: shell, mail, names, files, directories, screens
    {22, 23, 25, 53, 111, 135, 139, 389, 445, 465, 587, 636, 2049, 3389}
    # of databases, brokers and caches
    | {1433, 1521, 3306, 4369, 5432, 5671, 5672, 5984, 6379, 9042, 9092, 9200, 9300, 11211, 15672}
    | {25672, 26379, 27017}
    # of what runs containers
    | {2375, 2376, 2379, 2380, 6443, 10250}
    # those in use here: the embedded engines listen on ports of their own
    | {int(port) for port in (DATABASES["default"]["PORT"], urlsplit(conf.redis_url()).port) if port}
    | {int(port) for port in (conf.variable("REGISTRY_REFUSED_PORTS") or "").split(",") if port.strip()}
)
