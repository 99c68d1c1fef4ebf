"""The modules that the keeper imports before it forks (docs/decisions/0004)."""

# Modules that every project imports and that read no settings during the import. A module that reads
# settings fails here, so no value of one project reaches another. A missing module costs only time.
SHARED_IMPORTS = (
    *("asyncio", "yaml", "jsonschema", "inflection", "uritemplate", "requests", "redis", "structlog"),
    *("psycopg2.extras", "jwt", "argon2", "cryptography.hazmat.primitives.asymmetric.rsa"),
    *("prometheus_client.multiprocess", "uuid_utils", "pygments.formatters.html", "uvloop"),
    *("django.core.management", "atoll.redis_cache", "django.core.servers.basehttp"),
    *("django.core.handlers.wsgi", "django.core.handlers.asgi", "django.db.backends.postgresql.base"),
    *("django.db.migrations.executor", "django.template.engine", "django.template.loaders.cached"),
    *("django.templatetags.i18n", "django.test.signals", "django.middleware.common"),
    *("django.middleware.csrf", "django.middleware.security", "django.middleware.clickjacking"),
    *("django.contrib.admin.sites", "django.contrib.admin.options", "django.contrib.admin.views.main"),
    *("django.contrib.admin.templatetags.admin_list", "django.contrib.admindocs.views"),
    *("django.contrib.auth.hashers", "django.contrib.auth.password_validation"),
    *("django.contrib.auth.tokens", "django.contrib.auth.management", "django.contrib.contenttypes.apps"),
    *("django.contrib.sessions.backends.db", "django.contrib.messages.middleware"),
    *("django.contrib.staticfiles.storage", "django.contrib.staticfiles.handlers"),
    *("django.contrib.postgres.search", "django_ratelimit.core", "whitenoise.middleware"),
    *("rest_framework.serializers", "rest_framework.authentication", "rest_framework.permissions"),
    *("rest_framework.metadata", "rest_framework.mixins", "rest_framework.response"),
    *("rest_framework.validators", "drf_spectacular.utils", "granian.server.mp"),
    *("kombu.transport.redis", "kombu.transport.pyamqp", "celery.app.amqp", "celery.app.control"),
    *("celery.app.events", "celery.app.log", "celery.worker.worker", "celery.worker.components"),
    *("celery.worker.consumer", "celery.apps.worker", "celery.concurrency.thread", "celery.bin.worker"),
    *("celery.backends.base", "atoll.server.serving", "atoll.client", "atoll.bus.outbox.relay"),
)
