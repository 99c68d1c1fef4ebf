"""Every option that the library reads: its key in ``settings.ATOLL``, its variable, type, bounds and default.

This is the one place that lists them. ``atoll.conf.checks`` compares a project with it, and
``manage.py configuration`` writes docs/configuration.md from it. Read one with its ``value``::

    options.WORKER_CONCURRENCY.value(conf.project_name())
"""

from typing import Any, Final, TypeVar

from atoll.conf.kinds import (
    Address,
    Amount,
    Choice,
    Flag,
    Items,
    Kind,
    Level,
    Name,
    Networks,
    Places,
    Text,
    Whole,
)
from atoll.conf.option import Option

T = TypeVar("T")

# The parts in the order of the document, each with the extra of the package that it needs.
PARTS: Final = {
    "bus": "The bus (no extra needed)",
    "process": "Every process (no extra needed)",
    "tracing": "Traces (no extra needed)",
    "database": "Database and cache",
    "client": "Calls and discovery (extra `client`)",
    "server": "Serving (extra `server`)",
    "identity": "Identity (extra `identity`)",
    "admin": "Admins and their addresses (extra `admin`)",
    "reference": "The reference system alone",
    "development": "A clone of the repository (environment only)",
}

BROKER_SCHEMES = ("amqp", "amqps", "redis", "rediss", "redis+socket", "valkey", "valkeys")
# 270 years. PostgreSQL can subtract no interval from now that is longer than its calendar.
MOST_DAYS = 100_000

_all: list[Option[Any]] = []


def all_options() -> tuple[Option[Any], ...]:
    return tuple(_all)


def of_key(key: str) -> Option[Any] | None:
    return next((option for option in _all if option.key == key), None)


def of_variable(variable: str) -> Option[Any] | None:
    return next((option for option in _all if option.variable == variable), None)


def _option(
    part: str,
    variable: str,
    kind: Kind[T],
    default: T,
    help: str,  # noqa: A002 - the word of argparse and Django
    *,
    key: str | None = "",
    otherwise: str = "",
    is_own: bool = False,
    is_secret: bool = False,
) -> Option[T]:
    """``key`` is the variable's name unless given; None for an option of the environment alone."""
    option = Option(
        key=variable if key == "" else key,
        variable=variable,
        kind=kind,
        default=default,
        help=help,
        part=part,
        otherwise=otherwise,
        is_own=is_own,
        is_secret=is_secret,
    )
    _all.append(option)
    return option


# --- bus

SERVICE = _option(
    "bus",
    "ATOLL_SERVICE",
    Name(),
    "",
    "The name of this service on the wire: the sender of its messages, its queues, its address for commands.",
    key="SERVICE",
    otherwise="required, unless projects.toml has it",
)
BROKER_URL = _option(
    "bus",
    "RABBITMQ_URL",
    Address(BROKER_SCHEMES),
    "",
    "The broker: RabbitMQ in production. Several nodes of a cluster have `;` between.",
    key="BROKER_URL",
    otherwise="required, unless `make up` runs an embedded broker",
    is_own=True,
    is_secret=True,
)
WORKER_POOL = _option(
    "bus",
    "WORKER_POOL",
    Choice(("threads", "prefork")),
    "threads",
    "Threads share the memory of one process; prefork uses several cores and can end a stuck handler.",
    is_own=True,
)
WORKER_CONCURRENCY = _option(
    "bus",
    "WORKER_CONCURRENCY",
    Whole(1, 1000),
    4,
    "The handlers that one worker runs at the same time.",
    is_own=True,
)
BUS_IN_WORKER = _option(
    "bus",
    "BUS_IN_WORKER",
    Flag(),
    True,
    "Relay, ingest and timers run inside the worker; false where the command `bus` runs beside it.",
)
BUS_FAST_PATH = _option(
    "bus",
    "BUS_FAST_PATH",
    Flag(),
    True,
    "The consumer runs fast handlers in the transaction that stores their messages. False: only the pool.",
    is_own=True,
)
BUS_QUEUE_TYPE = _option(
    "bus",
    "BUS_QUEUE_TYPE",
    Choice(("classic", "quorum")),
    "classic",
    "The type of the queues at RabbitMQ.",
    is_own=True,
)
BUS_PREFIX = _option(
    "bus",
    "BUS_PREFIX",
    Text(),
    "",
    "In front of the name of every exchange and queue, for a second platform on one broker.",
)
BUS_CHECK_SENDERS = _option(
    "bus",
    "BUS_CHECK_SENDERS",
    Flag(),
    False,
    "Whether the sender of each message, as RabbitMQ knows it, is compared with docs/asyncapi.json.",
    otherwise="true in production on RabbitMQ where projects.toml is, else false",
    is_own=True,
)
BUS_KEEP_PUBLISHED_DAYS = _option(
    "bus",
    "BUS_KEEP_PUBLISHED_DAYS",
    Amount("days", is_above=True, most=MOST_DAYS),
    7.0,
    "Published messages are deleted after so many days.",
    is_own=True,
)
BUS_KEEP_HANDLED_DAYS = _option(
    "bus",
    "BUS_KEEP_HANDLED_DAYS",
    Amount("days", is_above=True, most=MOST_DAYS),
    14.0,
    "Handled messages are deleted after so many days: at least 4, and not before published ones.",
    is_own=True,
)
BUS_KEEP_SETTLED_DAYS = _option(
    "bus",
    "BUS_KEEP_SETTLED_DAYS",
    Amount("days", is_above=True, most=MOST_DAYS),
    30.0,
    "Messages in quarantine are deleted so many days after somebody decided about them.",
    is_own=True,
)
BUS_QUARANTINE_BODY_KB = _option(
    "bus",
    "BUS_QUARANTINE_BODY_KB",
    Whole(),
    1024,
    "Kilobytes that quarantine keeps of one body.",
    is_own=True,
)
BUS_QUARANTINE_MB = _option(
    "bus", "BUS_QUARANTINE_MB", Whole(), 256, "Megabytes of all bodies in quarantine.", is_own=True
)
BUS_QUARANTINE_ROWS = _option(
    "bus", "BUS_QUARANTINE_ROWS", Whole(), 20_000, "The most messages in quarantine.", is_own=True
)
WORKER_METRICS = _option(
    "bus",
    "WORKER_METRICS",
    Flag(),
    True,
    "Whether a worker serves /metrics. Without a registry it does where WORKER_METRICS_PORT is set.",
    is_own=True,
)
WORKER_METRICS_PORT = _option(
    "bus",
    "WORKER_METRICS_PORT",
    Whole(0, 65535),
    0,
    "The port of a worker's /metrics; 0 takes a free one and tells it to the registry.",
    is_own=True,
)
FAULT = _option(
    "bus",
    "ATOLL_FAULT",
    Text(),
    "",
    "Faults that a test puts into the bus. Never set it elsewhere.",
    key=None,
)

# --- every process

ENVIRONMENT = _option(
    "process",
    "ATOLL_ENV",
    Choice(("production", "development", "test")),
    "production",
    "Where the process runs; `make up` sets development.",
    key="ENVIRONMENT",
)
LOG_LEVEL = _option(
    "process",
    "LOG_LEVEL",
    Level(),
    "INFO",
    "The lowest level of the log lines that are shown, where Atoll configures the logs.",
    is_own=True,
)
LOG_FORMAT = _option(
    "process",
    "LOG_FORMAT",
    Choice(("json", "console")),
    "",
    "Where Atoll configures the logs: JSON lines, or lines for people.",
    otherwise="console on a terminal, else json",
    is_own=True,
)
SERVICE_VERSION = _option(
    "process",
    "SERVICE_VERSION",
    Text(),
    "",
    "The version that the registry and the console show.",
    otherwise="Atoll's own",
    is_own=True,
)
ZONE = _option("process", "ZONE", Text(), "", "The zone that the registry and the console show.", is_own=True)
INSTANCE = _option(
    "process",
    "ATOLL_INSTANCE",
    Text(),
    "",
    "The id of this instance. A parent process gives its own to its children.",
    key=None,
    otherwise="a new one at every start",
)
PROCESS = _option(
    "process",
    "ATOLL_PROCESS",
    Text(),
    "",
    "The name of this process in log lines.",
    key=None,
    otherwise="by the running command",
)
LIFECYCLE_FILE = _option(
    "process",
    "ATOLL_LIFECYCLE_FILE",
    Text("a path"),
    "",
    "The file through which the processes of one instance share their state. A parent process sets it.",
    key=None,
)
PROMETHEUS_MULTIPROC_DIR = _option(
    "process",
    "PROMETHEUS_MULTIPROC_DIR",
    Text("a path"),
    "",
    "prometheus_client's own: an empty folder through which several server processes share their figures.",
    key=None,
)

# --- traces

TRACES = _option("tracing", "TRACES", Flag(), True, "Whether spans are recorded.", is_own=True)
TRACES_PER_SECOND = _option(
    "tracing", "TRACES_PER_SECOND", Whole(), 2, "New traces a second in one process.", is_own=True
)
TRACES_SLOW_MS = _option(
    "tracing",
    "TRACES_SLOW_MS",
    Whole(),
    1000,
    "A span that takes longer, in milliseconds, is kept in any case.",
    is_own=True,
)
OTLP_ENDPOINT = _option(
    "tracing",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    Address(),
    "",
    "OpenTelemetry's own: the collector that gets the spans. Needs the extra `otlp`.",
    key=None,
)
OTEL_SERVICE_NAME = _option(
    "tracing",
    "OTEL_SERVICE_NAME",
    Text(),
    "",
    "OpenTelemetry's own: the name of this process at the collector.",
    key=None,
    otherwise="the name of the service",
)

# --- database and cache

DATABASE_CONNECTIONS = _option(
    "database",
    "DATABASE_CONNECTIONS",
    Whole(),
    0,
    "The most database connections of one process, with the engine `atoll.postgresql`.",
    otherwise="its threads and a few",
)
DATABASE_URL = _option(
    "database",
    "DATABASE_URL",
    Address(("postgres", "postgresql")),
    "",
    "The server of the databases, for settings that use `conf.database`.",
    key=None,
    otherwise="the embedded PostgreSQL",
    is_own=True,
    is_secret=True,
)
DATABASE_PASSWORD = _option(
    "database",
    "DATABASE_PASSWORD",
    Text(),
    "",
    "The password of the project's role at the embedded PostgreSQL.",
    key=None,
    otherwise="made by `make up`",
    is_own=True,
    is_secret=True,
)
DATABASE_ADMIN_URL = _option(
    "database",
    "DATABASE_ADMIN_URL",
    Address(("postgres", "postgresql")),
    "",
    "A superuser, for `manage.py bootstrap PROJECT` alone.",
    key=None,
    is_secret=True,
)
RABBITMQ_ADMIN_URL = _option(
    "database",
    "RABBITMQ_ADMIN_URL",
    Address(),
    "",
    "An administrator at RabbitMQ's management, for `manage.py bootstrap PROJECT` alone.",
    key=None,
    is_secret=True,
)
REDIS_URL = _option(
    "database",
    "REDIS_URL",
    Address(("redis", "rediss", "unix", "valkey", "valkeys")),
    "",
    "The server of caches and counters, for settings that use `conf.cache_settings`.",
    key=None,
    otherwise="the embedded Valkey",
    is_secret=True,
)

# --- calls and discovery

REGISTRY_URL = _option(
    "client",
    "REGISTRY_URL",
    Address(),
    "",
    "The registry. Where it is not set and projects.toml has no registry, nothing registers.",
    otherwise="the registry of projects.toml on this machine",
)
DISCOVERY = _option(
    "client",
    "DISCOVERY",
    Places(("http", "https", "dns", "dns+https", "srv", "srv+https")),
    "",
    "Where other services are found (docs/discovery.md).",
    otherwise="the registry",
)
DNS_SERVERS = _option(
    "client",
    "DNS_SERVERS",
    Items("addresses, with commas between"),
    (),
    "The DNS servers that are asked where services are.",
    otherwise="those of the machine",
)
SERVICE_TOKEN = _option(
    "client",
    "SERVICE_TOKEN",
    Text(),
    "",
    "The bearer token of this service's own calls.",
    otherwise="a token of its own from users, with `atoll.identity`",
    is_secret=True,
)
SERVICE_SECRET = _option(
    "client",
    "SERVICE_SECRET",
    Text(),
    "",
    "The credential of this service at the issuer of service tokens and at the registry.",
    otherwise="required with a registry; `make up` makes one",
    is_own=True,
    is_secret=True,
)
ADVERTISE_HOST = _option(
    "client",
    "ADVERTISE_HOST",
    Text(),
    "",
    "The host that an instance registers, where it differs from the one that it binds.",
    is_own=True,
)
HEARTBEAT_S = _option(
    "client",
    "HEARTBEAT_S",
    Amount("seconds"),
    15.0,
    "Seconds between heartbeats at the registry; a lease lasts 60.",
    is_own=True,
)

# --- serving

PORT = _option(
    "server",
    "ATOLL_PORT",
    Whole(0, 65535),
    8000,
    "Where `serve` listens unless it is told otherwise; 0 takes a free port.",
    key="PORT",
    otherwise="8000, or the port in projects.toml",
)
DRAIN_LINGER_S = _option(
    "server",
    "DRAIN_LINGER_S",
    Amount("seconds"),
    1.0,
    "Seconds for which a stopping instance still answers callers that have not heard of it.",
    is_own=True,
)
ALLOWED_HOSTS = _option(
    "server",
    "ALLOWED_HOSTS",
    Items(),
    (),
    "The host names that are answered, for settings that use `conf.allowed_hosts`.",
    key=None,
    otherwise="localhost",
)
TRUSTED_PROXIES = _option(
    "server",
    "TRUSTED_PROXIES",
    Networks(),
    "",
    "Proxies that may set X-Forwarded-For.",
    otherwise="127.0.0.0/8,::1/128",
)

# --- identity

TOKEN_ISSUER = _option(
    "identity", "TOKEN_ISSUER", Text(), "atoll", "The issuer that an access token must name."
)
ISSUER_URL = _option(
    "identity",
    "ISSUER_URL",
    Address(),
    "",
    "Another issuer of access tokens for this API: the `iss` of its tokens, exactly (docs/issuers.md).",
    otherwise="the tokens of users alone",
    is_own=True,
)
ISSUER_AUDIENCE = _option(
    "identity",
    "ISSUER_AUDIENCE",
    Items(),
    (),
    "One of these must be in the `aud` of its tokens.",
    otherwise="required with ISSUER_URL",
    is_own=True,
)
ISSUER_NAME = _option(
    "identity",
    "ISSUER_NAME",
    Text(),
    "",
    "Stands before its ids (`keycloak:3d1f`), and the tokens of users stay good beside.",
    otherwise="its ids stand alone, and it is the only issuer",
    is_own=True,
)
ISSUER_ALGORITHMS = _option(
    "identity",
    "ISSUER_ALGORITHMS",
    Items(),
    ("RS256",),
    "The algorithms of its signatures.",
    is_own=True,
)
SSL_CERT_FILE = _option(
    "identity",
    "SSL_CERT_FILE",
    Text("a path"),
    "",
    "The authorities that may certify an issuer, in a file.",
    key=None,
    otherwise="those of the package `certifi`",
)
ISSUER_JWKS_URL = _option(
    "identity",
    "ISSUER_JWKS_URL",
    Address(),
    "",
    "Its key set, for an issuer without a discovery document.",
    otherwise="the one of its discovery document",
    is_own=True,
)
ISSUER_ID_CLAIM = _option(
    "identity",
    "ISSUER_ID_CLAIM",
    Text(),
    "sub",
    "The claim with the id of the user.",
    is_own=True,
)
ISSUER_ROLES_CLAIM = _option(
    "identity",
    "ISSUER_ROLES_CLAIM",
    Text(),
    "",
    "The claim with the roles, with dots between its steps: `realm_access.roles`.",
    otherwise="no roles",
    is_own=True,
)
ISSUER_ROLES = _option(
    "identity",
    "ISSUER_ROLES",
    Items("`theirs=ours`, with commas between"),
    (),
    "The roles of ours that its roles become. Others are dropped.",
    is_own=True,
)
OIDC_ISSUER = _option(
    "identity",
    "ATOLL_OIDC_ISSUER",
    Address(),
    "",
    "An OpenID Connect issuer for the sign-in to the admins, in place of the project `users`.",
    key="OIDC_ISSUER",
)
OIDC_ROLES_CLAIM = _option(
    "identity",
    "ATOLL_OIDC_ROLES_CLAIM",
    Text(),
    "",
    "The claim with the roles, with dots between its steps.",
    key="OIDC_ROLES_CLAIM",
    otherwise="roles",
)
OIDC_CLIENT_ID = _option(
    "identity",
    "OIDC_CLIENT_ID",
    Text(),
    "",
    "The id of this project as a client of the issuer.",
    otherwise="the name of the service",
    is_own=True,
)
OIDC_CLIENT_SECRET = _option(
    "identity",
    "OIDC_CLIENT_SECRET",
    Text(),
    "",
    "The secret of this project as a client of an issuer of your own.",
    is_own=True,
    is_secret=True,
)

# --- admins

PUBLIC_URL = _option(
    "admin",
    "PUBLIC_URL",
    Text("addresses, with commas between"),
    "",
    "The addresses under which browsers open a project's admin. Only with the project in front "
    "(`ORDERS_PUBLIC_URL`).",
    key=None,
    otherwise="https://PROJECT.ADMIN_HOST, else the port on this machine",
    is_own=True,
)
ADMIN_HOST = _option(
    "admin", "ADMIN_HOST", Text(), "", "The admins are at https://PROJECT.ADMIN_HOST.", key=None
)
ADMIN_URL = _option(
    "admin",
    "ADMIN_URL",
    Address(),
    "",
    "Where staff reach a project's admin, for links between them. Only with the project in front.",
    key=None,
    is_own=True,
)
CONSOLE_URL = _option(
    "admin", "CONSOLE_URL", Address(), "", "Where staff reach the console, for links to it."
)
GATEWAY_URL = _option(
    "admin",
    "GATEWAY_URL",
    Address(),
    "",
    "Where clients reach the gateway.",
    otherwise="the gateway of projects.toml on this machine",
)
CSRF_TRUSTED_ORIGINS = _option(
    "admin",
    "CSRF_TRUSTED_ORIGINS",
    Items(),
    (),
    "Origins that may post to the admins, for settings that use `conf.trusted_origins`.",
    key=None,
)

# --- reference system

SECRET_KEY = _option(
    "reference",
    "SECRET_KEY",
    Text(),
    "",
    "Django's SECRET_KEY of a project of projects.toml.",
    key=None,
    otherwise="required; `make up` makes one",
    is_own=True,
    is_secret=True,
)
TLS_CERTIFICATE = _option(
    "reference",
    "TLS_CERTIFICATE",
    Text("a path"),
    "",
    "The PEM file with the gateway's certificate (`GATEWAY_TLS_CERTIFICATE`).",
    key=None,
    is_own=True,
)
EMAIL_URL = _option(
    "reference",
    "EMAIL_URL",
    Text("a URL: `smtp://`, `smtps://`, `smtp+starttls://` or `console:`"),
    "",
    "The mail server.",
    key=None,
    is_own=True,
    is_secret=True,
)
EMAIL_FROM = _option(
    "reference", "EMAIL_FROM", Text(), "", "The address that mail comes from.", key=None, is_own=True
)
SHOP_CURRENCY = _option(
    "reference",
    "SHOP_CURRENCY",
    Text("an ISO 4217 code"),
    "EUR",
    "The currency of a price without one.",
    key=None,
    is_own=True,
)

# --- development

ROOT = _option(
    "development",
    "ATOLL_ROOT",
    Text("a path"),
    "",
    "The folder that holds projects.toml and docs/asyncapi.json.",
    key=None,
    otherwise="the clone, else BASE_DIR of the settings",
)
HOME = _option(
    "development",
    "ATOLL_HOME",
    Text("a path"),
    "",
    "The folder of data, logs and generated secrets.",
    key=None,
    otherwise="`.atoll` in the root folder",
)
ENGINES = _option(
    "development",
    "ATOLL_ENGINES",
    Text("a path"),
    "",
    "The file with the addresses of the embedded engines.",
    key=None,
    otherwise="`engines.json` in ATOLL_HOME",
)
PORT_OFFSET = _option(
    "development",
    "ATOLL_PORT_OFFSET",
    Whole(0, 65535),
    0,
    "It is added to every port of projects.toml.",
    key=None,
)
DATABASE_PREFIX = _option(
    "development",
    "ATOLL_DATABASE_PREFIX",
    Text(),
    "",
    "It stands before the name of every database of projects.toml.",
    key=None,
)
ALLOW_ROOT = _option(
    "development",
    "ATOLL_ALLOW_ROOT",
    Text(),
    "",
    "Set: root may use a clone that belongs to another account.",
    key=None,
)
REQUIRE_RABBITMQ = _option(
    "development",
    "ATOLL_REQUIRE_RABBITMQ",
    Flag(),
    False,
    "True: tests fail without RabbitMQ or Node.js instead of being skipped.",
    key=None,
)
