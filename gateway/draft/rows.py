"""Makes the rows of the admin say what a routing table says."""

from typing import Any

from gateway.callers import Issuer
from gateway.draft.aggregate_rows import load_aggregates
from gateway.draft.assigning import assign, save
from gateway.draft.upstream_rows import load_limits, load_services
from gateway.edge.routes import snapshot
from gateway.models import ONLY_ROW, CorsSettings, Route

# Keys and their holders never come back from an old table or a file: a withdrawn key stays withdrawn.
NEVER_LOADED = ("consumers",)


def load(document: dict[str, Any], by: str) -> None:
    """Change the rows to those of ``document``. A section that it lacks stays as it is.

    Routes and issuers that it does not have are switched off and never deleted. Call it in a transaction:
    it raises InvalidConfiguration after changes. The rows are checked alone; `publish` checks them together.
    """
    if "routes" in document:
        _load_routes(document["routes"], by)
    if "cors" in document:
        _load_cors(document["cors"])
    if "aggregates" in document:
        load_aggregates(document["aggregates"])
    if "issuers" in document:
        _load_issuers(document["issuers"])
    if "services" in document:
        load_services(document["services"])
    if "limits" in document:
        load_limits(document["limits"])


def _load_routes(rows: list[dict[str, Any]], by: str) -> None:
    held = {route.name: route for route in Route.objects.all()}
    named = {row["name"] for row in rows}
    Route.objects.filter(enabled=True).exclude(name__in=named).update(enabled=False)
    # Two routes may swap their prefixes, so the others are checked as a whole, later.
    Route.objects.filter(name__in=named).update(enabled=False)
    for row in rows:
        route = held.get(row["name"]) or Route(name=row["name"])
        assign(route, _as_today(row), shown=route.document())
        route.enabled = False
        save(route)
    Route.objects.filter(name__in=named).update(enabled=True)


def _load_issuers(rows: list[dict[str, Any]]) -> None:
    held = {issuer.name: issuer for issuer in Issuer.objects.all()}
    named = {row["name"] for row in rows}
    Issuer.objects.filter(enabled=True).exclude(name__in=named).update(enabled=False)
    for row in rows:
        issuer = issuer_of(row, held.get(row["name"]))
        issuer.enabled = True
        save(issuer)


def issuer_of(row: dict[str, Any], held: Issuer | None = None) -> Issuer:
    """The row of the admin, not saved. Raises InvalidConfiguration for an unknown field."""
    issuer = held or Issuer(name=row["name"])
    assign(issuer, row, shown=issuer.document())
    return issuer


def _as_today(row: dict[str, Any]) -> dict[str, Any]:
    """The row of an earlier table, in the words of today."""
    try:
        route = snapshot.read_route(row)
    except (KeyError, TypeError, AttributeError):
        return row
    return {**row, "roles": list(route.roles), "builtin": route.builtin}


def _load_cors(values: dict[str, Any]) -> None:
    cors = CorsSettings.objects.filter(pk=ONLY_ROW).first() or CorsSettings()
    assign(cors, values, shown=cors.document())
    if not cors._state.adding or cors.document() != CorsSettings().document():
        save(cors)
