"""Tables of who may call: foreign issuers of tokens, and machines with their API keys."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now

from atoll.identity.foreign.issuers import ALGORITHMS, MAX_ADDRESS_CHARS
from atoll.identity.foreign.issuers import Issuer as TokenIssuer
from atoll.identity.roles import ROLES
from gateway.edge.identity import consumers, issuers
from gateway.edge.identity.api_keys import PREFIX
from gateway.edge.identity.declaration import InvalidIdentity


def default_algorithms() -> list[str]:
    return ["RS256"]


class Issuer(models.Model):
    """An OpenID Connect issuer whose tokens the gateway believes. An edit waits for its publication."""

    name = models.CharField(
        max_length=31,
        unique=True,
        help_text="Such as keycloak. It stands before the ids of this issuer: keycloak:3d1f…",
    )
    issuer = models.CharField(
        max_length=MAX_ADDRESS_CHARS,
        unique=True,
        help_text="The iss of its tokens, exactly. The gateway fetches this address followed by "
        "/.well-known/openid-configuration, and the key set that the document there names.",
    )
    jwks_url = models.CharField(
        "key set",
        max_length=MAX_ADDRESS_CHARS,
        blank=True,
        help_text="Only for an issuer without that document: the gateway fetches this address instead.",
    )
    audience = ArrayField(
        models.CharField(max_length=255),
        help_text="A token must be for one of them (aud), separated by commas. Not the id of a web page's "
        "client: id tokens would be good as access tokens.",
    )
    algorithms = ArrayField(models.CharField(max_length=8), default=default_algorithms)
    id_claim = models.CharField("claim of the id", max_length=200, default="sub")
    roles_claim = models.CharField(
        "claim of the roles",
        max_length=200,
        blank=True,
        help_text="Such as realm_access.roles (Keycloak), roles (Entra ID), https://example.com/roles "
        "(Auth0).",
    )
    role_names = models.JSONField("roles", default=dict, blank=True)
    bare_ids = models.BooleanField(
        "ids stand alone",
        default=False,
        help_text="X-User-ID without the name before it. Only where no other issuer, and not our users "
        "service, can have the same id for somebody else.",
    )
    enabled = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        try:
            issuers.read_issuers([self.document()])
        except InvalidIdentity as error:
            raise ValidationError(str(error)) from None

    def compiled(self) -> TokenIssuer:
        """Raises InvalidIdentity."""
        return issuers.read_issuers([self.document()])[0]

    def document(self) -> dict[str, Any]:
        """The issuer in the form of a published table."""
        return {
            "name": self.name,
            "issuer": self.issuer,
            "jwks_url": self.jwks_url,
            "audience": list(self.audience or ()),
            "algorithms": [name for name in ALGORITHMS if name in self.algorithms],
            "id_claim": self.id_claim,
            "roles_claim": self.roles_claim,
            "role_names": self.role_names,
            "bare_ids": self.bare_ids,
        }


class Consumer(models.Model):
    """A machine. Each change takes effect at once."""

    code = models.CharField(
        "id",
        max_length=63,
        unique=True,
        help_text="Services get it as X-Consumer-ID: lower-case letters, digits and hyphens.",
    )
    name = models.CharField(max_length=consumers.MAX_NAME_CHARS, help_text="What it is, and whose.")
    roles = ArrayField(
        models.CharField(max_length=32, choices=[(role, role) for role in ROLES]),
        default=list,
        blank=True,
        help_text="Only for routes that ask for a role.",
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        try:
            consumers.check_consumer(
                consumers.Consumer(self.code, self.name, {}, tuple(self.roles or ()), ())
            )
        except InvalidIdentity as error:
            raise ValidationError(str(error)) from None

    def document(self) -> dict[str, Any]:
        """The consumer in the form of a published table, with its keys that were not revoked."""
        keys = [key for key in self.keys.all() if key.revoked_at is None]
        return {
            "id": self.code,
            "name": self.name,
            "allows": {grant.route.name: sorted(grant.methods) for grant in self.grants.all()},
            "roles": sorted(self.roles),
            "keys": [key.document() for key in sorted(keys, key=lambda key: key.key_id)],
        }


class Grant(models.Model):
    """The methods that a consumer may use on a route."""

    consumer = models.ForeignKey(Consumer, models.CASCADE, related_name="grants")
    route = models.ForeignKey("gateway.Route", models.CASCADE, related_name="grants")
    methods = ArrayField(models.CharField(max_length=7))

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["consumer", "route"],
                name="grant_once_per_route",
                violation_error_message="Name each route once.",
            )
        ]

    def __str__(self) -> str:
        return f"{', '.join(self.methods)} {self.route}"


class ApiKey(models.Model):
    """A key of a consumer. The key itself is stored nowhere."""

    consumer = models.ForeignKey(Consumer, models.CASCADE, related_name="keys")
    key_id = models.CharField(max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    label = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.CharField(max_length=200)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=200, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "API key"
        verbose_name_plural = "API keys"

    def __str__(self) -> str:
        return f"{PREFIX}{self.key_id}…"

    def document(self) -> dict[str, str]:
        expires = self.expires_at.isoformat() if self.expires_at else ""
        return {"id": self.key_id, "digest": self.digest, "expires": expires}
