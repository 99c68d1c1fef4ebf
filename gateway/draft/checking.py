"""Finds every problem of a table in a file, without a database."""

from collections.abc import Collection
from typing import Any

from gateway.aggregate_models import Aggregate
from gateway.draft.aggregate_rows import fill_in
from gateway.draft.as_yaml import INSIST, Unreadable, parse
from gateway.draft.assigning import assign, check
from gateway.draft.rows import issuer_of
from gateway.draft.upstream_rows import limit_of, service_of
from gateway.edge.routes import snapshot
from gateway.edge.routes.snapshot import InvalidConfiguration
from gateway.models import CorsSettings, Route
from gateway.risks import risks

EMPTY: dict[str, Any] = {"version": 0, "routes": [], "cors": {}, "aggregates": []}


def problems(content: bytes, known: Collection[str]) -> list[str]:
    """Every problem in words; empty when the file can be published. ``known`` are the names of services."""
    try:
        given = parse(content)
    except Unreadable as error:
        return [str(error)]
    found = [told for section in given if section not in ("routes", "cors") for told in _rows(section, given)]
    if "cors" in given:
        found += _cors(given["cors"])
    return [*_routes(given.get("routes", []), known), *found]


def _routes(rows: list[dict[str, Any]], known: Collection[str]) -> list[str]:
    found: list[str] = []
    accepted: list[snapshot.Route] = []
    for row in rows:
        try:
            route = route_of(row)
            compiled = route.compiled()
            snapshot.check_route(compiled)
            snapshot.check_not_internal(compiled)
            check(route)
        except InvalidConfiguration as error:
            found.append(str(error))
            continue
        if row.get(INSIST) is not True:
            found += [
                f"Route '{route}': {risk.text} Say insist: true if you mean it."
                for risk in risks(route, known)
            ]
        try:
            snapshot.check_distinct((*accepted, compiled))
        except InvalidConfiguration as error:
            found.append(str(error))
        else:
            accepted.append(compiled)
    return found


def route_of(row: dict[str, Any]) -> Route:
    """The row of the admin, not saved; what the file leaves out has its default.

    Raises InvalidConfiguration for an unknown field.
    """
    route = Route(name=str(row["name"]))
    values = {key: value for key, value in row.items() if key not in (INSIST, "name")}
    assign(route, values, shown=[name for name in route.document() if name != "name"])
    return route


def _cors(values: Any) -> list[str]:
    try:
        cors = CorsSettings()
        assign(cors, values if isinstance(values, dict) else {"": values}, shown=cors.document())
        snapshot.read(EMPTY | {"cors": cors.document()})
        check(cors)
    except InvalidConfiguration as error:
        return [str(error)]
    return []


def _rows(section: str, given: dict[str, Any]) -> list[str]:
    """The problems of each row alone, then of all together."""
    rows = given[section]
    found: list[str] = []
    for tried in [*([row] for row in rows), rows]:
        try:
            snapshot.read(EMPTY | {section: tried})
            if tried is not rows:
                _check_fields(section, tried[0])
        except InvalidConfiguration as error:
            if str(error) not in found and (tried is not rows or not found):
                found.append(str(error))
    return found


def _check_fields(section: str, row: dict[str, Any]) -> None:
    """A published table may have fields that this version does not know; a file may not.

    Raises InvalidConfiguration for them, and for values that a row of the admin does not take.
    """
    match section:
        case "services":
            check(service_of(row))
        case "limits":
            check(limit_of(row))
        case "issuers":
            check(issuer_of(row))
        case "aggregates":
            aggregate = Aggregate(name=row["name"])
            legs = fill_in(aggregate, row)
            check(aggregate)
            for leg in legs:
                check(leg, exclude=("aggregate",))
