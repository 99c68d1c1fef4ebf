"""Makes the rows of services and limit policies say what a routing table says."""

from typing import Any

from gateway.draft.assigning import assign, save
from gateway.models import Route
from gateway.upstream_models import LimitPolicy, Service

# The fields of the row for those of the table's health check and hedge.
HEALTH = {"path": "health_path", "interval_s": "health_interval_s", "timeout_s": "health_timeout_s"}
HEDGE = {"after": "hedge_after", "delay_ms": "hedge_delay_ms"}


def load_services(rows: list[dict[str, Any]]) -> None:
    """Change the rows to those of the table. A service that it does not have gets the defaults again.

    Raises InvalidConfiguration.
    """
    Service.objects.exclude(name__in=[row["name"] for row in rows]).delete()
    held = {service.name: service for service in Service.objects.all()}
    for row in rows:
        save(service_of(row, held.get(row["name"])))


def service_of(row: dict[str, Any], held: Service | None = None) -> Service:
    """The row of the admin, not saved; what the table leaves out has its default.

    Raises InvalidConfiguration for an unknown field.
    """
    health = {HEALTH.get(name, name): value for name, value in (row.get("health") or {}).items()}
    hedge = {HEDGE.get(name, name): value for name, value in (row.get("hedge") or {}).items()}
    values = {name: value for name, value in row.items() if name not in ("health", "hedge")}
    service = held or Service(name=row["name"])
    shown = [one.name for one in Service._meta.concrete_fields if one.name != "id"]
    assign(service, values | health | hedge, shown=shown)
    return service


def load_limits(rows: list[dict[str, Any]]) -> None:
    """Change the rows to those of the table. A policy that it does not have counts nowhere.

    Raises InvalidConfiguration.
    """
    for absent in LimitPolicy.objects.exclude(name__in=[row["name"] for row in rows]):
        absent.routes.clear()
    held = {policy.name: policy for policy in LimitPolicy.objects.all()}
    for row in rows:
        policy = limit_of(row, held.get(row["name"]))
        save(policy)
        policy.routes.set(Route.objects.filter(name__in=row.get("routes", ())))


def limit_of(row: dict[str, Any], held: LimitPolicy | None = None) -> LimitPolicy:
    """As `service_of`, without the routes of the policy."""
    policy = held or LimitPolicy(name=row["name"])
    values = {name: value for name, value in row.items() if name != "routes"}
    assign(policy, values, shown=("key", "applies_to"))
    return policy
