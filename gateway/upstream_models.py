"""Tables of the settings of services, and of limits that several routes share."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models

from gateway.edge.limits import rules
from gateway.edge.upstream import settings


class Strategy(models.TextChoices):
    TWO_CHOICES = "two-choices", "The less loaded of two random ones"
    ROUND_ROBIN = "round-robin", "One after the other, by weight"
    RANDOM = "random", "At random, by weight"
    LEAST_CONNECTIONS = "least-connections", "The one with the fewest running requests"


class HedgeAfter(models.TextChoices):
    NEVER = settings.NEVER, "Never"
    DELAY = settings.AFTER_DELAY, "After the delay below"
    P95 = settings.AFTER_P95, "When 95 of 100 such requests would be answered"


class CountBy(models.TextChoices):
    ADDRESS = "address", "Address (IPv6: its /64)"
    USER = "user", "User or API key, else address"
    API_KEY = "api_key", "API key, else address"
    ROUTE = "route", "All callers together"


class AppliesTo(models.TextChoices):
    EVERYONE = "everyone", "Everyone"
    ANONYMOUS = "anonymous", "Callers without a valid token or key"
    SIGNED_IN = "signed_in", "Callers with a valid token or key"


class Service(models.Model):
    """How the gateway asks a service. A service without a row has the defaults."""

    name = models.CharField(
        max_length=63, unique=True, help_text="A service's name in the registry, such as order-service."
    )
    strategy = models.CharField(
        "choice of the instance", max_length=20, choices=Strategy, default=Strategy.TWO_CHOICES
    )
    url = models.CharField(
        "URL",
        max_length=300,
        blank=True,
        help_text="In place of the registry, such as https://things.example.com: every address of the name "
        "is an instance, and the gateway looks it up again every few seconds. The gateway's machine must be "
        "meant to reach it.",
    )
    max_in_flight = models.PositiveIntegerField(
        "requests in flight",
        default=settings.ServiceSettings.max_in_flight,
        help_text="At most so many at a time; above, callers get 503. The processes of a gateway have equal "
        "shares, so one may refuse while another has room.",
    )
    hedge_after = models.CharField(
        "ask a second instance",
        max_length=10,
        choices=HedgeAfter,
        default=HedgeAfter.NEVER,
        db_default=HedgeAfter.NEVER,
        help_text="For GET, HEAD and OPTIONS. The first answer wins, the other request is broken off. Second "
        "requests come out of the budget of retries: one for five requests, and one a second besides.",
    )
    hedge_delay_ms = models.FloatField(
        "delay (ms)", default=settings.Hedge.delay_ms, db_default=settings.Hedge.delay_ms
    )
    health_path = models.CharField(
        "path of the health check",
        max_length=200,
        blank=True,
        help_text="Such as /health/ready. Empty: instances are judged by the answers to requests alone.",
    )
    health_interval_s = models.FloatField("every (s)", default=settings.HealthCheck.interval_s)
    health_timeout_s = models.FloatField("time-out (s)", default=settings.HealthCheck.timeout_s)
    unhealthy_after = models.PositiveSmallIntegerField(
        "out after", default=settings.HealthCheck.unhealthy_after, help_text="Failed checks in a row."
    )
    healthy_after = models.PositiveSmallIntegerField(
        "back after", default=settings.HealthCheck.healthy_after, help_text="Good checks in a row."
    )

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        try:
            settings.read([self.document()])
        except settings.InvalidService as error:
            raise ValidationError(str(error)) from None

    def document(self) -> dict[str, Any]:
        """The settings in the form of a published table."""
        return {
            "name": self.name,
            "strategy": self.strategy,
            "url": self.url,
            "max_in_flight": self.max_in_flight,
            "health": {
                "path": self.health_path,
                "interval_s": self.health_interval_s,
                "timeout_s": self.health_timeout_s,
                "unhealthy_after": self.unhealthy_after,
                "healthy_after": self.healthy_after,
            },
            "hedge": {"after": self.hedge_after, "delay_ms": self.hedge_delay_ms},
        }


class LimitPolicy(models.Model):
    """A limit with a name that counts the requests of several routes together."""

    name = models.CharField(max_length=63, unique=True, help_text="Lower-case letters, digits and hyphens.")
    limit = models.PositiveIntegerField("requests", help_text="So many per window.")
    window_s = models.PositiveIntegerField("window (s)", default=60)
    key = models.CharField("counts by", max_length=20, choices=CountBy, default=CountBy.ADDRESS)
    applies_to = models.CharField(max_length=20, choices=AppliesTo, default=AppliesTo.EVERYONE)
    routes = models.ManyToManyField(
        "gateway.Route",
        blank=True,
        related_name="limit_policies",
        help_text="Here it replaces the limit of the route. Without routes it does nothing.",
    )

    class Meta:
        ordering: ClassVar = ["name"]
        verbose_name = "limit policy"
        verbose_name_plural = "limit policies"

    def __str__(self) -> str:
        return self.name

    @classmethod
    def in_use(cls) -> "models.QuerySet[LimitPolicy]":
        """Those that count on an enabled route. A table has no others."""
        return cls.objects.filter(routes__enabled=True).distinct().prefetch_related("routes")

    def clean(self) -> None:
        """Check it alone. Whether two policies meet at one route is checked with the whole table."""
        try:
            rules.read([self.document([])])
        except rules.InvalidLimit as error:
            raise ValidationError(str(error)) from None

    def document(self, routes: list[str] | None = None) -> dict[str, Any]:
        """The policy in the form of a published table, with ``routes`` in place of the stored ones."""
        return {
            "name": self.name,
            "limit": self.limit,
            "window_s": self.window_s,
            "key": self.key,
            "applies_to": self.applies_to,
            "routes": sorted(route.name for route in self.routes.all() if route.enabled)
            if routes is None
            else routes,
        }
