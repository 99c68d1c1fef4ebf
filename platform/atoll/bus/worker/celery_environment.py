"""Environment variables that Celery prefers to the configuration that the bus gives it.

If one of them names another broker, a worker waits for hints on a broker that gets none: everything is
up, and no handler ever runs.
"""

import os

from django.core.exceptions import ImproperlyConfigured

from atoll import conf

# Celery's own names, and those of the options of its command line that set them.
BROKERS = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL", "CELERY_BROKER")
LOADERS = ("app", "celery.loaders.app:AppLoader", "celery.loaders.app.AppLoader")
NEVER = {
    "CELERY_RESULT_BACKEND": "results would pile up where nobody reads them",
    "CELERY_CONFIG_MODULE": "its settings would be mixed with those that lose nothing",
    "CELERY_CONFIG": "its settings would be mixed with those that lose nothing",
    "CELERY_WORKER_QUEUES": "a worker would take its hints from other queues than its service's",
    "CELERY_WORKER_EXCLUDE_QUEUES": "a worker would not take its service's hints",
    "CELERY_WORKER_PREFETCH_MULTIPLIER": "a slow worker would sit on hints that another could run",
    "CELERY_WORKER_TIME_LIMIT": "each handler has its own timeout_s",
    "CELERY_WORKER_SOFT_TIME_LIMIT": "each handler has its own timeout_s",
    "REMAP_SIGTERM": "a worker would not let its handlers finish when it is stopped",
}


def refuse() -> None:
    """Raise ImproperlyConfigured when such a variable is set. The text names each and the remedy.

    It shows no values, since a URL holds a password.
    """
    set_urls = [name for name in BROKERS if os.environ.get(name)]
    ours = conf.broker_url(conf.project_name()) if set_urls else ""
    found = [
        f"{name} names another broker than RABBITMQ_URL, and Celery prefers it: a worker would wait for "
        "hints there for ever. Remove it, or set both to one URL."
        for name in set_urls
        if os.environ[name] != ours
    ]
    if os.environ.get("CELERY_LOADER") not in (None, "", *LOADERS):
        found.append("CELERY_LOADER replaces the way in which the bus configures Celery. Remove it.")
    found += [
        f"{name} must not be set: {reason}. Remove it."
        for name, reason in NEVER.items()
        if os.environ.get(name)
    ]
    if found:
        raise ImproperlyConfigured(
            "The environment has variables that Celery prefers to its configuration.\n" + "\n".join(found)
        )
