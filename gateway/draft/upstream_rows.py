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
        health = {HEALTH.get(name, name): value for name, value in (row.get("health") or {}).items()}
        hedge = {HEDGE.get(name, name): value for name, value in (row.get("hedge") or {}).items()}
        values = {name: value for name, value in row.items() if name not in ("health", "hedge")}
        values |= health | hedge
        service = held.get(row["name"]) or Service(name=row["name"])
        assign(service, values, shown=[one.name for one in Service._meta.concrete_fields if one.name != "id"])
        save(service)


def load_limits(rows: list[dict[str, Any]]) -> None:
    """Change the rows to those of the table. A policy that it does not have counts nowhere.

    Raises InvalidConfiguration.
    """
    for absent in LimitPolicy.objects.exclude(name__in=[row["name"] for row in rows]):
        absent.routes.clear()
    held = {policy.name: policy for policy in LimitPolicy.objects.all()}
    for row in rows:
        policy = held.get(row["name"]) or LimitPolicy(name=row["name"])
        values = {name: value for name, value in row.items() if name != "routes"}
        assign(policy, values, shown=("key", "applies_to"))
        save(policy)
        policy.routes.set(Route.objects.filter(name__in=row.get("routes", ())))
