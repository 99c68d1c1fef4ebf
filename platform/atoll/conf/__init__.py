"""Configuration from the environment, ``settings.ATOLL``, ``projects.toml``, and the files of ``make up``.

A value comes from the first of these that has it:

1. the project's own variable: ``ORDERS_DATABASE_URL``;
2. the plain variable: ``DATABASE_URL``;
3. its key in ``settings.ATOLL``;
4. ``$ATOLL_HOME/engines.json`` for addresses of embedded engines, and ``$ATOLL_HOME/secrets.json`` for
   secrets. ``make up`` writes both, the secrets at random.

The last source is the default in the table of options, ``atoll.conf.options``. Each call reads the sources
anew; only ``projects.toml`` is cached. Settings call once at start, and keep the values; while they are read,
``settings.ATOLL`` does not count. No secret has a default: a process without one refuses to start.
"""

from atoll.conf import options
from atoll.conf.addresses import (
    admin_url,
    allowed_hosts,
    console_url,
    gateway_has_tls,
    gateway_url,
    has_registry,
    origin,
    public_urls,
    registry_url,
    service_url,
    service_variable,
    trusted_origins,
)
from atoll.conf.secrets import SECRET_NAMES, ensure_local_secrets, secret
from atoll.conf.servers import broker_url, cache_settings, database, engines, redis_url
from atoll.conf.table import (
    Project,
    home,
    project,
    project_name,
    project_of_service,
    projects,
    root,
    service_name,
    stands_alone,
)
from atoll.conf.variables import (
    environment,
    flag,
    own_name,
    own_variable,
    seconds,
    variable,
    web_address,
    whole_number,
)

__all__ = [
    "SECRET_NAMES",
    "Project",
    "admin_url",
    "allowed_hosts",
    "broker_url",
    "cache_settings",
    "console_url",
    "database",
    "engines",
    "ensure_local_secrets",
    "environment",
    "flag",
    "gateway_has_tls",
    "gateway_url",
    "has_registry",
    "home",
    "options",
    "origin",
    "own_name",
    "own_variable",
    "project",
    "project_name",
    "project_of_service",
    "projects",
    "public_urls",
    "redis_url",
    "registry_url",
    "root",
    "seconds",
    "secret",
    "service_name",
    "service_url",
    "service_variable",
    "stands_alone",
    "trusted_origins",
    "variable",
    "web_address",
    "whole_number",
]
