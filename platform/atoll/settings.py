"""Values that every project's ``settings.py`` names one by one.

No project imports them with a star, so the project's own file shows the final value of each setting.
"""

from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

from atoll import conf, money

__all__ = [
    "ADMIN_APPS",
    "AUTHENTICATION_BACKENDS",
    "CSRF_FAILURE_VIEW",
    "FORMAT_MODULE_PATH",
    "MAX_BODY_BYTES",
    "MIDDLEWARE",
    "PASSWORD_HASHERS",
    "PLATFORM_APPS",
    "REST_FRAMEWORK",
    "SESSION_AGE_S",
    "SESSION_ENGINE",
    "SILENCED_SYSTEM_CHECKS",
    "TEMPLATES",
    "shop_currency",
    "spectacular_settings",
]

ADMIN_APPS = [
    "atoll.admin.apps.AtollAdminPagesConfig",
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "atoll.admin.apps.AtollAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

PLATFORM_APPS = [
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_ratelimit",
    "health_check",
    "atoll.identity",
    "atoll.api",
    "atoll.health",
    "atoll.server",
]

# The format of times in the admins.
FORMAT_MODULE_PATH = "atoll.admin.formats"

MIDDLEWARE = [
    "atoll.api.middleware.RequestContext",
    "atoll.api.middleware.PageHeaders",
    "atoll.api.middleware.JSONErrors",
    "atoll.api.middleware.NoNul",
    "atoll.api.middleware.BodyLimit",
    "atoll.api.middleware.Probes",
    "atoll.api.middleware.pages.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "atoll.api.middleware.pages.SessionMiddleware",
    "atoll.api.middleware.pages.CommonMiddleware",
    "atoll.api.middleware.pages.CsrfViewMiddleware",
    "atoll.api.middleware.pages.AuthenticationMiddleware",
    "atoll.api.middleware.pages.MessageMiddleware",
    "atoll.api.middleware.pages.XFrameOptionsMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["atoll.identity.drf.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["atoll.identity.drf.IsSignedIn"],
    "DEFAULT_PARSER_CLASSES": ["atoll.api.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["atoll.api.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "atoll.api.negotiation.ContentNegotiation",
    "DEFAULT_PAGINATION_CLASS": "atoll.api.pagination.PageNumberPagination",
    "DEFAULT_FILTER_BACKENDS": ["atoll.api.filters.StrictFilterBackend"],
    "DEFAULT_METADATA_CLASS": "atoll.api.metadata.AllowedMethods",
    "DEFAULT_SCHEMA_CLASS": "atoll.api.schema.AutoSchema",
    "EXCEPTION_HANDLER": "atoll.api.errors.exception_handler",
    "COERCE_DECIMAL_TO_STRING": False,
    # The renderer writes times, in one format.
    "DATETIME_FORMAT": None,
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]

AUTHENTICATION_BACKENDS = ["atoll.identity.backends.AccountBackend"]

CSRF_FAILURE_VIEW = "atoll.api.error_pages.csrf_failure"
SESSION_ENGINE = "atoll.identity.sessions"
SESSION_AGE_S = 8 * 60 * 60
MAX_BODY_BYTES = 1_048_576


def spectacular_settings(title: str) -> dict[str, Any]:
    """Settings of the OpenAPI document. Its pages come from the sidecar package, not from a CDN."""
    return {
        "TITLE": title,
        "VERSION": "1",
        "SERVE_INCLUDE_SCHEMA": False,
        # The converter `id` of atoll.api.paths.
        "PATH_CONVERTER_OVERRIDES": {"id": UUID},
        "SWAGGER_UI_DIST": "SIDECAR",
        "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
        "POSTPROCESSING_HOOKS": [
            "drf_spectacular.hooks.postprocess_schema_enums",
            "atoll.api.schema.camelize_names",
            "atoll.api.schema.document_errors",
        ],
    }


SILENCED_SYSTEM_CHECKS = [
    # TLS ends in front of the platform; redirects and HSTS belong there.
    "security.W004",
    "security.W008",
    # Our subclasses of Django's three are in MIDDLEWARE (atoll.api.middleware.pages).
    "security.W001",
    "security.W002",
    "security.W003",
    # Django's own Redis cache counts with INCR, atomically, as django-ratelimit requires.
    "django_ratelimit.W001",
]


def shop_currency(project_name: str) -> str:
    """SHOP_CURRENCY, the currency of a price without one. EUR unless set.

    Raises ImproperlyConfigured for a code that ISO 4217 does not have.
    """
    code = conf.variable("SHOP_CURRENCY", project_name) or "EUR"
    try:
        money.places(code)
    except money.UnknownCurrency as unknown:
        raise ImproperlyConfigured(f"SHOP_CURRENCY: {unknown}") from None
    return code
