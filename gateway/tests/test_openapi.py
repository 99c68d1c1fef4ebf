"""The merged document: only what routes open, under public paths, with the last good copy of each service."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from atoll.errors import Unavailable
from gateway.edge.routes.routing import Table
from gateway.edge.routes.snapshot import read
from gateway.openapi import views
from gateway.openapi.merge import merge
from gateway.openapi.sources import FRESH_S, RETRY_S, Sources
from gateway.tests.harness import Clock, row, table
from gateway.usecases.load_routes import load_routes

OK = {"responses": {"200": {"description": "ok"}}}


def schema(*paths: str, verbs: tuple[str, ...] = ("get", "post"), **components: Any) -> dict[str, Any]:
    return {
        "openapi": "3.0.3",
        "paths": {path: {verb: {"operationId": f"{verb}_one", **OK} for verb in verbs} for path in paths},
        "components": components,
    }


def merged(*routes: dict[str, Any], **schemas: Any) -> dict[str, Any]:
    known = {name.replace("_", "-"): document for name, document in schemas.items()}
    return merge(Table(read(table(*routes))), known, title="t")


def orders(**fields: Any) -> dict[str, Any]:
    return row(
        "orders", "/api/orders", service="order-service", service_path="/orders", rate_limit=9, **fields
    )


def test_paths_are_public_and_only_those_that_routes_open() -> None:
    document = merged(
        orders(methods=["GET"]),
        order_service=schema("/orders", "/orders/{id}", "/ordersecret", "/internal", "/metrics"),
    )

    assert sorted(document["paths"]) == ["/api/orders", "/api/orders/{id}", "/health"]
    assert list(document["paths"]["/api/orders"]) == ["get"]
    assert document["x-atoll-missing"] == []


def test_a_path_that_another_route_takes_is_the_other_routes() -> None:
    document = merged(
        orders(),
        row("closed", "/api/orders/special", service="user-service", service_path="/x"),
        order_service=schema("/orders", "/orders/special"),
        user_service=schema("/y"),
    )

    assert "/api/orders/special" not in document["paths"]


def test_inner_paths_stay_closed_even_under_a_whole_service() -> None:
    document = merged(
        row("all", "/all", service="order-service", service_path=""),
        order_service=schema("/orders", "/metrics", "/admin/x", "/schema"),
    )

    assert sorted(document["paths"]) == ["/all/orders", "/health"]


@pytest.mark.parametrize(
    ("access", "roles", "verb", "open_", "statuses"),
    [
        ("public", [], "get", True, {"403", "404", "429", "503", "504"}),
        ("signed_in", [], "get", False, {"401", "403", "404", "429", "503", "504"}),
        ("staff", ["operator"], "get", False, {"401", "403", "404", "429", "503", "504"}),
        ("public_read_signed_in_write", [], "get", True, {"403", "404", "429", "503", "504"}),
        ("public_read_signed_in_write", [], "post", False, {"401", "403", "404", "413", "429", "503", "504"}),
    ],
)
def test_security_and_refusals_follow_the_route(
    access: str, roles: list[str], verb: str, open_: bool, statuses: set[str]
) -> None:
    described = schema("/orders")
    described["paths"]["/orders"]["post"]["requestBody"] = {}
    document = merged(orders(access=access, roles=roles), order_service=described)

    operation = document["paths"]["/api/orders"][verb]
    assert ({} in operation["security"]) == open_
    assert {"bearer": []} in operation["security"]
    assert set(operation["responses"]) == statuses | {"200"}
    for status in statuses:
        reference = operation["responses"][status]["$ref"].rsplit("/", 1)[1]
        assert reference in document["components"]["responses"]


def test_components_of_one_name_are_kept_apart_and_references_follow() -> None:
    def with_item(kind: str) -> dict[str, Any]:
        described = schema("/orders", schemas={"Item": {"type": kind}, "Error": {"type": "object"}})
        described["paths"]["/orders"]["get"]["x"] = {"$ref": "#/components/schemas/Item"}
        return described

    document = merged(
        orders(),
        row("users", "/api/users", service="user-service", service_path="/orders"),
        order_service=with_item("string"),
        user_service=with_item("integer"),
    )

    schemas = document["components"]["schemas"]
    assert (schemas["Item"], schemas["UserItem"]) == ({"type": "string"}, {"type": "integer"})
    assert document["paths"]["/api/users"]["get"]["x"] == {"$ref": "#/components/schemas/UserItem"}
    assert list(schemas) == ["Item", "Error", "UserItem"]
    names = [
        op["operationId"]
        for path in document["paths"].values()
        for op in path.values()
        if "tags" in op and "operationId" in op
    ]
    assert len(names) == len(set(names)) == 4


@pytest.mark.parametrize("broken", [{}, {"paths": {"/orders": []}}, {"paths": {"/orders": {"get": 3}}}])
def test_a_service_that_is_away_or_broken_is_left_out_and_named(broken: dict[str, Any]) -> None:
    others = row("users", "/api/users", service="user-service", service_path="/users")
    document = merged(orders(), others, order_service=broken)

    assert document["x-atoll-missing"] == ["order-service", "user-service"]
    assert sorted(document["paths"]) == ["/health"]


def test_aggregates_are_in_it_where_a_route_leads_to_them() -> None:
    board = row("board", "/api/user", service=None, builtin="aggregates", access="signed_in")
    paths = merged(board)["paths"]

    operation = paths["/api/user/{userId}/dashboard"]["get"]
    assert operation["parameters"][0]["schema"] == {"type": "string", "format": "uuid"}
    assert operation["security"] == [{"bearer": []}, {"apiKey": []}]
    assert "/api/user/{userId}/dashboard" not in merged(orders())["paths"]


class Services:
    """Services of a test: a document, or away."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}
        self.asked: list[str] = []

    def __call__(self, service: str) -> dict[str, Any]:
        self.asked.append(service)
        if service not in self.held:
            raise Unavailable(service, "does not answer")
        found: dict[str, Any] = self.held[service]
        return found


def test_the_last_good_copy_stays_also_over_a_restart(tmp_path: Path) -> None:
    services, clock = Services(), Clock()
    services.held["a"] = schema("/a")
    sources = Sources(tmp_path, services, clock)

    assert list(sources.documents(["a", "b"])) == ["a"]
    assert sources.documents(["a"])["a"] == schema("/a")
    assert services.asked == ["a", "b"]
    clock.now += RETRY_S
    sources.documents(["a", "b"])
    assert services.asked == ["a", "b", "b"]
    del services.held["a"]
    clock.now += FRESH_S
    assert sources.documents(["a"]) == {"a": schema("/a")}
    assert Sources(tmp_path, services, clock).documents(["a"]) == {"a": schema("/a")}


@pytest.mark.django_db
def test_the_pages_are_for_everybody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load_routes()
    services = Services()
    services.held["order-service"] = schema("/orders")
    sources = Sources(tmp_path, services)
    monkeypatch.setattr(views, "sources", lambda: sources)
    visitor = Client(SERVER_NAME="localhost")

    document = json.loads(visitor.get("/openapi.json").content)
    assert "/api/orders" in document["paths"]
    assert document["x-atoll-missing"] == ["payment-service", "product-service", "user-service"]
    page = visitor.get("/docs")
    assert page.status_code == 200
    text = page.content.decode()
    assert "http://" not in text
    assert "https://" not in text
    script = visitor.get("/docs?script=").content.decode()
    assert "/openapi.json" in script
