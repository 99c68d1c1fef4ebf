"""Settings of the users project."""

from datetime import timedelta

from atoll import conf, mail
from atoll import settings as base
from atoll.admin.theme import unfold_settings
from atoll.logs import logging_config

PROJECT = conf.project("users")
ATOLL_PROJECT = PROJECT.name
ATOLL_SERVICE = PROJECT.service

SECRET_KEY = conf.secret("SECRET_KEY", PROJECT.name)
# The former key, for as long as signing keys in the database are encrypted under it.
SECRET_KEY_FALLBACKS = [key for key in [conf.variable("SECRET_KEY_FALLBACK", PROJECT.name)] if key]
DEBUG = False
ALLOWED_HOSTS = conf.allowed_hosts()

INSTALLED_APPS = [
    *base.ADMIN_APPS,
    *base.PLATFORM_APPS,
    "atoll.bus",
    "oauth2_provider",
    "services.users",
]
MIDDLEWARE = base.MIDDLEWARE
ROOT_URLCONF = "services.users.urls"
WSGI_APPLICATION = "services.users.wsgi.application"
TEMPLATES = base.TEMPLATES

DATABASES = {"default": conf.database(PROJECT.name)}
CACHES = conf.cache_settings(PROJECT.name)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REST_FRAMEWORK = base.REST_FRAMEWORK | {
    "DEFAULT_AUTHENTICATION_CLASSES": ["services.users.api.authentication.CurrentRoles"]
}
SPECTACULAR_SETTINGS = base.spectacular_settings("Atoll users")
UNFOLD = {
    **unfold_settings("Atoll users"),
    # Not in the package of the admin pages: the site reads it before they are registered.
    "LOGIN": {"form": "services.users.sign_in_form.SignInForm"},
}
LOGGING = logging_config(PROJECT.name, PROJECT.service)

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = ["services.users.backends.OwnAccounts"]
# With an issuer outside, this admin is a client of it like every other.
if conf.variable("ATOLL_OIDC_ISSUER"):
    AUTHENTICATION_BACKENDS = ["services.users.backends.OutsideAccounts"]
else:
    ATOLL_ADMIN_DOOR = "services.users.admin.door.IssuerDoor"
OAUTH2_PROVIDER = {
    "OIDC_ENABLED": True,
    "OAUTH2_SERVER_CLASS": "services.users.oidc.code_server.CodeServer",
    "OAUTH2_VALIDATOR_CLASS": "services.users.oidc.validator.Validator",
    "SCOPES": {"openid": "sign in", "email": "address", "profile": "name and roles"},
    "DEFAULT_SCOPES": ["openid"],
    "PKCE_REQUIRED": True,
    "OIDC_ISS_ENDPOINT": conf.public_urls("users")[0],
    "AUTHORIZATION_CODE_EXPIRE_SECONDS": 60,
    "ACCESS_TOKEN_EXPIRE_SECONDS": 60,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    **dict.fromkeys(
        (
            "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT",
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS",
            "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT",
            "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT",
            "COMPLIANT_BCP_RFC9700_PKCE_METHOD",
            "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED",
            "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING",
            "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN",
            "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE",
        ),
        True,
    ),
}
PASSWORD_HASHERS = ["services.users.hashing.Argon2"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# This project is where the token keys come from, so it asks its own table.
ATOLL_JWKS_FETCH = "services.users.keys.key_set"
ATOLL_REVOCATION_CHECK = "services.users.revocations.is_revoked"
SIMPLE_JWT = {"TOKEN_TYPE_CLAIM": "token_use", "JTI_CLAIM": "jti", "USER_ID_CLAIM": "sub"}
# How long a used refresh token is taken for another tab's and not for a copy in wrong hands.
REFRESH_GRACE_S = conf.seconds("REFRESH_GRACE_S", default=10, project_name=PROJECT.name)
RATELIMIT_ENABLE = conf.flag("RATELIMIT_ENABLE", default=True, project_name=PROJECT.name)

# Where the page is that takes a new password. Empty: the mail has the token alone.
PASSWORD_RESET_URL = conf.web_address("PASSWORD_RESET_URL", PROJECT.name)
# The page that takes the token of a new address. Empty: the mail has the token alone.
EMAIL_CHANGE_URL = conf.web_address("EMAIL_CHANGE_URL", PROJECT.name)
PASSWORD_RESET_LIFE = timedelta(minutes=conf.whole_number("PASSWORD_RESET_MINUTES", 30, PROJECT.name))
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
# The email is unique by an index over its lower case, which that check cannot see.
# Redirects over http lead to the admins of this machine alone: each address is compared as a whole.
SILENCED_SYSTEM_CHECKS = [*base.SILENCED_SYSTEM_CHECKS, "auth.W004", "oauth2_provider.W008"]
