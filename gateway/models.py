"""Tables of the gateway: routes, cross-origin rules, publications and the request log."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from atoll.postgresql.arrays import ArrayField
from gateway.aggregate_models import Aggregate as Aggregate
from gateway.callers import ApiKey as ApiKey
from gateway.callers import Consumer as Consumer
from gateway.callers import Grant as Grant
from gateway.callers import Issuer as Issuer
from gateway.edge.routes import snapshot
from gateway.upstream_models import LimitPolicy as LimitPolicy
from gateway.upstream_models import Service as Service

ONLY_ROW = 1
CALLER_CHARS = 320
"""The name of an issuer, and an id of 255 characters."""


def all_methods() -> list[str]:
    return list(snapshot.METHODS)


def default_headers() -> list[str]:
    return list(snapshot.Cors.headers)


def default_exposed() -> list[str]:
    return list(snapshot.Cors.exposed)


class Access(models.TextChoices):
    PUBLIC = "public", "Anyone"
    SIGNED_IN = "signed_in", "Signed in"
    STAFF = "staff", "The roles below"
    READ_STAFF_WRITE = "public_read_staff_write", "Reading anyone, writing the roles below"
    READ_SIGNED_IN_WRITE = "public_read_signed_in_write", "Reading anyone, writing signed in"


class Builtin(models.TextChoices):
    AGGREGATES = snapshot.AGGREGATES, "Aggregates"


class Match(models.TextChoices):
    PREFIX = "prefix", "The path and all below it"
    EXACT = "exact", "This path alone"


class LimitKey(models.TextChoices):
    USER = "user", "User, or address when signed out"
    ADDRESS = "address", "Address of the client"
    API_KEY = "api_key", "API key"
    ROUTE = "route", "The route: all callers together"


class BadToken(models.IntegerChoices):
    FORBIDDEN = 403, "403 Invalid or expired token"
    UNAUTHORIZED = 401, "401, with WWW-Authenticate"


class Route(models.Model):
    """A prefix and its service. An edit takes effect when it is published."""

    name = models.CharField(max_length=63, unique=True, help_text="Lower-case letters, digits and hyphens.")
    prefix = models.CharField("path", max_length=200, help_text="Such as /api/orders.")
    match = models.CharField(
        "takes", max_length=10, choices=Match, default=Match.PREFIX, db_default=Match.PREFIX
    )
    hosts = ArrayField(
        models.CharField(max_length=snapshot.MAX_HOST_LENGTH),
        default=list,
        db_default=models.Value("{}"),
        blank=True,
        help_text="Such as shop.example.com or *.example.com, separated by commas. Empty: every host.",
    )
    header_matches = models.JSONField(
        "header fields",
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
    )
    service = models.CharField(
        max_length=63, blank=True, help_text="A service's name in the registry, such as order-service."
    )
    builtin = models.CharField(
        "built-in handler", max_length=20, blank=True, choices=Builtin, help_text="Instead of a service."
    )
    service_path = models.CharField(
        max_length=200, blank=True, help_text="Replaces the prefix at the service, such as /orders."
    )
    methods = ArrayField(models.CharField(max_length=7), default=all_methods)
    access = models.CharField("who", max_length=30, choices=Access, default=Access.SIGNED_IN)
    roles = ArrayField(
        models.CharField(max_length=32),
        default=list,
        db_default=models.Value("{}"),
        blank=True,
        help_text="Where roles are asked for: who may. An administrator always may.",
    )
    timeout_s = models.FloatField(
        "time-out (s)", default=30, help_text="Until the answer begins, and between two pieces of it."
    )
    max_body_bytes = models.BigIntegerField("largest body (bytes)", default=1024 * 1024)
    rate_limit = models.PositiveIntegerField(
        default=6000, help_text="Requests per window for each caller. 0: no limit."
    )
    rate_window_s = models.PositiveIntegerField("rate window (s)", default=60)
    limit_key = models.CharField(
        "counted by", max_length=10, choices=LimitKey, default=LimitKey.USER, db_default=LimitKey.USER
    )
    bad_token = models.PositiveSmallIntegerField(
        "a bad token gets", choices=BadToken, default=BadToken.FORBIDDEN, db_default=BadToken.FORBIDDEN
    )
    cors = models.JSONField(
        "cross-origin rules", null=True, blank=True, default=None, help_text="Empty: the shared rules."
    )
    buffer_bytes = models.PositiveIntegerField(
        "read whole up to (bytes)",
        default=snapshot.DEFAULT_BUFFER_BYTES,
        db_default=snapshot.DEFAULT_BUFFER_BYTES,
        help_text="A body up to this size is read before the service is asked; a longer one is streamed.",
    )
    compress = models.BooleanField(
        "compress answers", default=False, db_default=False, help_text="For clients that accept it."
    )
    websocket = models.BooleanField("WebSocket", default=False, db_default=False)
    priority = models.SmallIntegerField(
        default=0, help_text="Higher wins. Among equals: the nearer host, the nearer path, the method."
    )
    enabled = models.BooleanField(default=True)
    shipped = models.BooleanField(default=False, editable=False, help_text="Comes with the repository.")
    insisted_by = models.CharField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Who confirmed what the gateway warned of.",
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["-priority", "prefix", "name"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=~Q(service="", builtin="") & (Q(service="") | Q(builtin="")),
                name="route_leads_to_one_place",
                violation_error_message="Choose either a service or a built-in handler.",
            ),
            models.CheckConstraint(
                condition=Q(timeout_s__gt=0, timeout_s__lte=snapshot.MAX_TIMEOUT_S),
                name="route_timeout_bounds",
            ),
            models.CheckConstraint(
                condition=Q(max_body_bytes__gte=0, max_body_bytes__lte=snapshot.MAX_BODY_BYTES),
                name="route_body_bounds",
            ),
            models.CheckConstraint(condition=Q(rate_window_s__gte=1), name="route_window_bounds"),
            models.CheckConstraint(
                condition=Q(buffer_bytes__lte=snapshot.MAX_BUFFER_BYTES), name="route_buffer_bounds"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Check the route alone and together with the others. `publish` checks the whole table again."""
        try:
            snapshot.check_route(self.compiled())
            snapshot.check_not_internal(self.compiled())
            if self.enabled:
                others = Route.objects.filter(enabled=True).exclude(pk=self.pk).exclude(name=self.name)
                snapshot.check_distinct((*(other.compiled() for other in others), self.compiled()))
        except snapshot.InvalidConfiguration as error:
            raise ValidationError(str(error)) from None

    def compiled(self) -> snapshot.Route:
        """Raises InvalidConfiguration when a value has another form."""
        try:
            return snapshot.read_route(self.document())
        except (TypeError, AttributeError) as error:
            raise snapshot.InvalidConfiguration(f"Route '{self.name}': {error}.") from error

    def document(self) -> dict[str, Any]:
        """The route in the form of a published table."""
        return {
            "name": self.name,
            "prefix": self.prefix,
            "service": self.service or None,
            "builtin": self.builtin or None,
            "service_path": self.service_path,
            "methods": [method for method in snapshot.METHODS if method in self.methods]
            + [method for method in self.methods if method not in snapshot.METHODS],
            "access": self.access,
            "roles": list(self.roles),
            "timeout_s": self.timeout_s,
            "max_body_bytes": self.max_body_bytes,
            "rate_limit": self.rate_limit,
            "rate_window_s": self.rate_window_s,
            "priority": self.priority,
            "hosts": list(self.hosts),
            "match": self.match,
            "header_matches": dict(self.header_matches),
            "limit_key": self.limit_key,
            "bad_token": self.bad_token,
            "cors": self.cors,
            "buffer_bytes": self.buffer_bytes,
            "compress": self.compress,
            "websocket": self.websocket,
        }


class CorsSettings(models.Model):
    """One row: the origins whose web pages may call the API from a browser."""

    id = models.SmallIntegerField(primary_key=True, default=ONLY_ROW, editable=False)
    origins = ArrayField(
        models.CharField(max_length=200),
        default=list,
        blank=True,
        help_text="Such as https://shop.example.com, separated by commas. Empty: no other origin.",
    )
    methods = ArrayField(models.CharField(max_length=7), default=all_methods)
    headers = ArrayField(models.CharField(max_length=100), default=default_headers, blank=True)
    exposed = ArrayField(models.CharField(max_length=100), default=default_exposed, blank=True)
    credentials = models.BooleanField("allow cookies and credentials", default=False)
    max_age_s = models.PositiveIntegerField("preflight kept for (s)", default=600)

    class Meta:
        verbose_name = "cross-origin rules"
        verbose_name_plural = "cross-origin rules"
        constraints: ClassVar = [models.CheckConstraint(condition=Q(id=ONLY_ROW), name="cors_is_one_row")]

    def __str__(self) -> str:
        return ", ".join(self.origins) or "no other origin"

    def clean(self) -> None:
        try:
            snapshot.check_cors(snapshot.Cors(**self._values()))
        except snapshot.InvalidConfiguration as error:
            raise ValidationError(str(error)) from None

    def document(self) -> dict[str, Any]:
        return {key: list(v) if isinstance(v, tuple) else v for key, v in self._values().items()}

    def _values(self) -> dict[str, Any]:
        return {
            "origins": tuple(self.origins or ()),
            "methods": tuple(self.methods or ()),
            "headers": tuple(self.headers or ()),
            "exposed": tuple(self.exposed or ()),
            "credentials": self.credentials,
            "max_age_s": self.max_age_s,
        }


class Publication(models.Model):
    """A published routing table. It is never changed or deleted."""

    version = models.PositiveIntegerField(primary_key=True)
    document = models.JSONField()
    by = models.CharField(max_length=200, help_text="Who published it, by name.")
    why = models.CharField(max_length=500, blank=True, default="", db_default="")
    changes = models.JSONField(
        default=list, db_default=models.Value([], models.JSONField()), help_text="What it changed, in words."
    )
    restores = models.PositiveIntegerField(null=True, blank=True, help_text="The version it brought back.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar = ["-version"]

    def __str__(self) -> str:
        return f"version {self.version}"


class RequestLog(models.Model):
    """A sample of requests. `gateway.recording` deletes the oldest."""

    at = models.DateTimeField(db_index=True)
    correlation_id = models.CharField(max_length=64, db_index=True)
    method = models.CharField(max_length=16)
    path = models.TextField()
    route = models.CharField(max_length=63, db_index=True)
    status = models.SmallIntegerField(db_index=True)
    code = models.CharField(max_length=63, blank=True)
    duration_ms = models.FloatField()
    client = models.CharField(max_length=64)
    user_id = models.CharField(max_length=CALLER_CHARS, blank=True, db_index=True)
    instance = models.CharField(max_length=100, blank=True)
    retries = models.SmallIntegerField(default=0)
    bytes_in = models.BigIntegerField(default=0)
    bytes_out = models.BigIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "request"
        verbose_name_plural = "request log"

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"
