"""Merges the documents of services by the published routes."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.edge.aggregation.declaration import Aggregate
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.routes.routing import CompiledRoute, Table
from gateway.openapi.components import Components, camel, rewritten

Document = dict[str, Any]
VERBS = ("get", "head", "post", "put", "patch", "delete", "options")
READS = frozenset(("GET", "HEAD", "OPTIONS"))
BEARER: dict[str, list[str]] = {"bearer": []}
API_KEY: dict[str, list[str]] = {"apiKey": []}
NOBODY: dict[str, list[str]] = {}
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
REFUSALS = {
    401: "Access token required.",
    403: "The token is invalid or expired, or the caller may not do this.",
    404: "Nothing is here.",
    413: "The body is too large.",
    429: "Too many requests; Retry-After says when to try again.",
    503: "The service is not available now; Retry-After says when to try again.",
    504: "The service did not answer in time.",
}
TYPES = {
    "uuid": {"type": "string", "format": "uuid"},
    "integer": {"type": "integer"},
    "slug": {"type": "string"},
}
ERROR = {"$ref": "#/components/schemas/Error"}
ERROR_FALLBACK = {"type": "object", "additionalProperties": {}}


def merge(table: Table, schemas: Mapping[str, Document], *, title: str) -> Document:
    """``schemas`` has the document of each service that could be had.

    Only operations that a route really leads to are in it, under their public paths. A service whose
    document cannot be read counts as missing: ``x-atoll-missing`` names those.
    """
    components, paths = Components(), {"/health": _health()}
    missing = set(table.services) - set(schemas)
    for service in sorted(table.services & set(schemas)):
        try:
            found = dict(_operations(table, service, schemas[service], components))
        except (AttributeError, KeyError, TypeError):
            missing.add(service)
            continue
        for (path, verb), operation in found.items():
            paths.setdefault(path, {})[verb] = operation
    for aggregate in table.snapshot.aggregates:
        paths.update(_aggregate(table, aggregate))
    components.taken.setdefault("schemas", {}).setdefault("Error", ERROR_FALLBACK)
    components.taken["responses"] = components.taken.get("responses", {}) | _responses()
    return {
        "openapi": "3.0.3",
        "info": {"title": title, "version": str(table.version)},
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": components.taken | {"securitySchemes": SCHEMES},
        "x-atoll-missing": sorted(missing),
    }


def _operations(
    table: Table, service: str, document: Document, components: Components
) -> Iterator[tuple[tuple[str, str], Document]]:
    names = components.take(service, document)
    routes = [route for route in table.routes if route.route.service == service]
    for inner, item in document["paths"].items():
        shared = rewritten(item.get("parameters", []), names)
        for verb in VERBS:
            if verb not in item:
                continue
            for route in routes:
                public = _public(route, inner)
                if public is not None and _leads(table, route, verb, public):
                    described = rewritten(item[verb], names)
                    yield (public, verb), _public_operation(described, shared, route, verb, service)


def _public(route: CompiledRoute, inner: str) -> str | None:
    """The public path of a service's path; None when the route does not open it."""
    base = route.route.service_path
    if inner != base and not inner.startswith(f"{base}/"):
        return None
    return route.route.prefix + inner[len(base) :]


def _leads(table: Table, route: CompiledRoute, verb: str, public: str) -> bool:
    """Whether the table gives the request to this route, and not to another one or to nobody."""
    settings = route.route
    host = settings.hosts[0].replace("*", "any", 1).encode() if settings.hosts else b""
    fields = {match.name.encode(): match.value.encode() for match in settings.header_matches}
    try:
        return table.match(verb.upper(), public.encode(), host, fields) is route
    except ErrorResponse:
        return False


def _public_operation(
    operation: Document, shared: list[Any], route: CompiledRoute, verb: str, service: str
) -> Document:
    named = operation.get("operationId")
    described = {**operation, "tags": [service], "security": _security(route, verb)}
    if named:
        described["operationId"] = f"{camel(service)}_{named}"
    if shared:
        described["parameters"] = [*shared, *operation.get("parameters", [])]
    refused = _refused(route, verb, has_body="requestBody" in operation)
    return described | {"responses": refused | operation.get("responses", {})}


def _security(route: CompiledRoute, verb: str) -> list[dict[str, list[str]]]:
    access = route.route.access
    if access == "public" or (verb.upper() in READS and access.startswith("public_read")):
        return [NOBODY, BEARER]
    return [BEARER, API_KEY]


def _refused(route: CompiledRoute, verb: str, *, has_body: bool) -> Document:
    """The refusals of the gateway itself that an operation can meet."""
    statuses = [403, 404, 503, 504]
    statuses += [401] if NOBODY not in _security(route, verb) else []
    statuses += [413] if has_body else []
    statuses += [429] if route.route.rate_limit else []
    return {str(status): {"$ref": f"#/components/responses/Gateway{status}"} for status in sorted(statuses)}


def _responses() -> Document:
    return {
        f"Gateway{status}": {"description": text, "content": {"application/json": {"schema": ERROR}}}
        for status, text in REFUSALS.items()
    }


def _health() -> Document:
    return {
        "get": {
            "summary": "Whether the gateway is well",
            "tags": ["api-gateway"],
            "security": [NOBODY],
            "responses": {"200": {"description": "It is."}, "503": {"description": "It is not."}},
        }
    }


def _aggregate(table: Table, aggregate: Aggregate) -> Document:
    """The path of an aggregate; empty when no route leads to it."""
    try:
        route = table.match("GET", aggregate.path.encode())
    except ErrorResponse:
        return {}
    if route.route.builtin is None:
        return {}
    properties = {leg.name: {"nullable": True} for leg in aggregate.legs}
    shown = {"type": "object", "properties": {**properties, "timestamp": {"type": "string"}}}
    return {
        aggregate.path: {
            "get": {
                "operationId": f"aggregate_{aggregate.name}",
                "summary": f"{', '.join(properties)} in one answer",
                "tags": ["api-gateway"],
                "security": _security(route, "get"),
                "parameters": [
                    {"in": "path", "name": name, "required": True, "schema": TYPES[kind]}
                    for name, kind in aggregate.parameters
                ],
                "responses": _refused(route, "get", has_body=False)
                | {
                    "200": {
                        "description": "Whole or in part.",
                        "content": {"application/json": {"schema": shown}},
                    }
                },
            }
        }
    }
