"""Declared aggregates: validated at save and in the table, asked in parallel, answered in parts."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from atoll.identity.roles import OPERATOR
from atoll.testing.rights import signed_in
from atoll.testing.tokens import access_token
from gateway.aggregate_models import Aggregate
from gateway.edge.aggregation import pointers
from gateway.edge.aggregation.addresses import Template, fill
from gateway.edge.aggregation.shipped import shipped
from gateway.edge.routes import snapshot
from gateway.models import Publication
from gateway.tests.harness import Answer, Gateway, row, table
from gateway.tests.upstream import Seen, Upstream, answer
from gateway.usecases.load_routes import load_routes
from gateway.usecases.publish import draft, publish
from gateway.usecases.restore import restore

ADA = "0197f1c0-0000-7000-8000-000000000001"
BOB = "0197f1c0-0000-7000-8000-000000000002"
ROUTE = row("board", "/api/user", service=None, builtin="aggregates", access="public", service_path="")


def leg(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "service": "order-service", "path": f"/{name}", **fields}


def aggregate(*legs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "name": "both",
        "path": "/api/user/{userId}/both",
        "parameters": {"userId": "uuid"},
        "legs": list(legs) or [leg("one"), leg("two")],
        **fields,
    }


def with_aggregates(*aggregates: dict[str, Any]) -> dict[str, Any]:
    return table(ROUTE) | {"aggregates": list(aggregates)}


@pytest.fixture
def declared(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> Callable[..., Callable[..., Answer]]:
    """``declared(aggregate, ...)`` publishes them and returns a function that asks."""
    gateway = make_gateway(ROUTE)
    gateway.knows("payment-service", upstream)

    def declare(*aggregates: dict[str, Any]) -> Callable[..., Answer]:
        gateway.publish(with_aggregates(*aggregates))

        def ask(path: str = f"/api/user/{ADA}/both", by: str = ADA, roles: tuple[str, ...] = ()) -> Answer:
            return gateway.get(path, Authorization=f"Bearer {access_token(by, roles)}")

        return ask

    return declare


def says(value: Any) -> bytes:
    return answer(200, json.dumps(value).encode())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": "Both"}, "lower-case"),
        ({"path": "api"}, "must look like"),
        ({"path": "/api/../x"}, "neither plain nor a"),
        ({"path": "/api/{userId}/{userId}"}, "twice"),
        ({"path": "/api/{other}"}, "say of {other}"),
        ({"path": "/api/x{userId}"}, "neither plain nor a"),
        ({"parameters": {"userId": "regex"}}, "say of {userId}"),
        ({"path": "/api/both"}, "does not have {userId}"),
        ({"owner": "orderId"}, "is no parameter"),
        ({"roles": ["owner"]}, "must be some of"),
        ({"timeout_s": -1}, "time-out"),
        ({"timeout_s": "5"}, "wrong type"),
        ({"colour": "red"}, "incomplete"),
        ({"legs": []}, "1 to 10 legs"),
        ({"legs": [leg("one"), leg("one")]}, "two legs are called 'one'"),
        ({"legs": [leg("errors")]}, "neither errors nor timestamp"),
        ({"legs": [leg("one", service="Orders!")]}, "no service name"),
        ({"legs": [leg("one", path="http://evil.test/")]}, "must look like"),
        ({"legs": [leg("one", path="//evil.test/x")]}, "neither plain nor a"),
        ({"legs": [leg("one", path="/a/{orderId}")]}, "there is no parameter {orderId}"),
        ({"legs": [leg("one", path="/a?x={orderId}")]}, "there is no parameter {orderId}"),
        ({"legs": [leg("one", path="/a?x=1 2")]}, "must be plain names and values"),
        ({"legs": [leg("one", path="/metrics")]}, "for operators and other services"),
        ({"legs": [leg("one", fields={"a": "b"})]}, "no JSON pointer"),
        ({"legs": [leg("one", fields={"a b": "/b"})]}, "no name of a field"),
        ({"legs": [leg("one", fields={"a": 1})]}, "wrong type"),
        ({"legs": [leg("one", if_failed="shrug")]}, "a failed leg becomes one of"),
        ({"legs": [leg("one", missing_code="gone")]}, "a title and a code"),
        ({"legs": None}, "incomplete"),
    ],
)
def test_a_bad_declaration_is_refused_with_its_place(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(snapshot.InvalidConfiguration, match=problem.replace("{", r"\{").replace("(", r"\(")):
        snapshot.read(with_aggregates(aggregate() | change))


def test_two_aggregates_at_one_address_are_refused() -> None:
    other = aggregate(name="other", path="/api/user/{id}/both", parameters={"id": "uuid"})
    with pytest.raises(snapshot.InvalidConfiguration, match="have the same address"):
        snapshot.read(with_aggregates(aggregate(), other))
    other = aggregate(name="other", path="/api/user/{id}/both", parameters={"id": "integer"})
    assert len(snapshot.read(with_aggregates(aggregate(), other)).aggregates) == 2


def test_what_is_shipped_is_valid_and_an_old_table_has_the_dashboard_alone() -> None:
    assert len(snapshot.read(with_aggregates(*shipped())).aggregates) == 2
    assert [one.name for one in snapshot.read(table(ROUTE)).aggregates] == ["dashboard"]


def test_parts_are_projected_merged_and_named(declared: Any, upstream: Upstream) -> None:
    upstream.answers("/one", says({"deep": {"list": [10, {"x": 7}]}, "a/b": 1}))
    upstream.answers("/two", says([1, 2]))
    fields = {"x": "/deep/list/1/x", "slash": "/a~1b", "gone?": "/no/where"}

    body = declared(aggregate(leg("one", fields=fields), leg("two")))().json()

    assert body.pop("timestamp")
    assert body == {"one": {"x": 7, "slash": 1}, "two": [1, 2]}


@pytest.mark.parametrize(
    ("if_failed", "status", "shown"), [("null", 200, None), ("empty_list", 200, []), ("fail", 502, None)]
)
def test_a_failed_leg_becomes_what_is_declared(
    declared: Any, upstream: Upstream, if_failed: str, status: int, shown: Any
) -> None:
    upstream.answers("/one", says({}))
    upstream.answers("/two", answer(500, b"{}"))

    got = declared(aggregate(leg("one"), leg("two", if_failed=if_failed)))()

    assert got.status == status
    body = got.json()
    if status == 200:
        assert (body["one"], body["two"]) == ({}, shown)
        assert [error["source"] for error in body["errors"]] == ["two"]
    else:
        assert body["code"] == "bad_answer"


def test_a_slow_leg_costs_its_own_time_out_only(declared: Any, upstream: Upstream) -> None:
    upstream.answers("/one", says({}))

    async def hang(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    upstream.behaviours["/two"] = hang

    body = declared(aggregate(leg("one"), leg("two", timeout_s=0.2)))().json()

    assert (body["one"], body["errors"][0]["code"]) == ({}, "upstream_timeout")


def test_owners_and_roles_decide_who_may_ask(declared: Any, upstream: Upstream) -> None:
    upstream.answers("/one", says({}))
    upstream.answers("/two", says({}))

    ask = declared(aggregate(owner="userId", roles=["operator"]))
    assert [ask().status, ask(by=BOB).status, ask(by=BOB, roles=("operator",)).status] == [200, 403, 200]
    ask = declared(aggregate(roles=["operator"]))
    assert [ask().status, ask(roles=("operator",)).status] == [403, 200]
    assert declared(aggregate())(by=BOB).status == 200


def test_user_with_orders_and_payments_ships(declared: Any, upstream: Upstream) -> None:
    upstream.answers("/users/", says({"id": ADA, "name": "Ada", "email": "a@b.c", "roles": ["x"]}))
    upstream.answers("/orders", says([{"id": "1"}]))
    upstream.answers("/payments", says([{"id": "2"}]))

    body = declared(*shipped())(f"/api/user/{ADA}/overview").json()

    assert body.pop("timestamp")
    assert body == {
        "user": {"id": ADA, "name": "Ada", "email": "a@b.c"},
        "orders": [{"id": "1"}],
        "payments": [{"id": "2"}],
    }


@given(st.text(max_size=60))
def test_no_value_of_a_parameter_leaves_its_place(value: str) -> None:
    for kind in ("uuid", "integer", "slug"):
        found = Template("/a/{x}", {"x": kind}).match(f"/a/{value}".encode("utf-8", "replace"))
        if found is not None:
            assert fill("/b/{x}?y={x}", found).count("/") == 2
            assert not {"..", "?", "&", "%"} & {found["x"]}


def test_a_value_is_percent_encoded_where_it_is_put_in() -> None:
    assert fill("/b/{x}?y={x}", {"x": "a/../b?c&d%"}) == "/b/a%2F..%2Fb%3Fc%26d%25?y=a%2F..%2Fb%3Fc%26d%25"


@pytest.mark.parametrize(
    ("pointer", "value"), [("", {"a": [{"b/c": 1}]}), ("/a/0/b~1c", 1), ("/a/1", None), ("/a/00", None)]
)
def test_pointers_follow_the_standard(pointer: str, value: Any) -> None:
    document = {"a": [{"b/c": 1}]}
    if value is None:
        with pytest.raises(pointers.Absent):
            pointers.resolve(document, pointer)
    else:
        assert pointers.resolve(document, pointer) == value


# --- in the admin


@pytest.fixture
def operator(db: None, monkeypatch: pytest.MonkeyPatch) -> Client:
    names = frozenset({"user-service", "order-service", "registry"})
    monkeypatch.setattr("gateway.admin.aggregates.known_services", lambda: names)
    load_routes()
    return signed_in(OPERATOR)


def form(**fields: Any) -> dict[str, Any]:
    return {
        "name": "both",
        "enabled": "on",
        "path": "/api/user/{userId}/both",
        "parameters": "userId = uuid",
        "timeout_s": "0",
        "owner": "userId",
        "refused_message": "No.",
        "failed_title": "Failed",
        "failed_code": "failed",
        "failed_message": "All failed.",
        "legs-TOTAL_FORMS": "1",
        "legs-INITIAL_FORMS": "0",
        "legs-0-name": "user",
        "legs-0-position": "0",
        "legs-0-service": "user-service",
        "legs-0-path": "/users/{userId}",
        "legs-0-fields_": "id = /id\r\nname? = /name",
        "legs-0-if_failed": "null",
        "legs-0-timeout_s": "1",
        **fields,
    }


def test_an_aggregate_is_made_in_the_admin_and_waits_in_the_draft(operator: Client) -> None:
    answered = operator.post("/admin/gateway/aggregate/add/", form())

    assert answered.status_code == 302
    [made] = [one for one in draft().document["aggregates"] if one["name"] == "both"]
    assert made["legs"][0]["fields"] == [["id", "/id"], ["name?", "/name"]]
    [change] = draft().changes()
    assert change.text.startswith("aggregate both: added")
    page = operator.get(f"/admin/gateway/aggregate/{Aggregate.objects.get(name='both').pk}/change/")
    assert "name? = /name" in page.content.decode()
    assert "user-service/users/{userId}" in operator.get("/admin/gateway/aggregate/").content.decode()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"legs-0-path": "/users/{orderId}"}, "there is no parameter {orderId}"),
        ({"parameters": "userId: uuid"}, "is no pair"),
        ({"owner": "orderId"}, "is no parameter"),
        ({"legs-0-path": "/metrics"}, "for operators and other services"),
        ({"legs-TOTAL_FORMS": "0"}, "1 to 10 legs"),
    ],
)
def test_a_bad_aggregate_is_refused_at_its_save(
    operator: Client, fields: dict[str, str], problem: str
) -> None:
    answered = operator.post("/admin/gateway/aggregate/add/", form(**fields))

    assert (answered.status_code, problem in answered.content.decode()) == (200, True)
    assert not Aggregate.objects.filter(name="both").exists()


def test_the_fields_of_an_answer_keep_their_order_through_the_database(operator: Client) -> None:
    [dashboard, _] = snapshot.read(Publication.objects.get(version=1).document).aggregates
    assert [name for name, _ in dashboard.legs[1].fields] == [
        "total",
        "recent",
        "totalValue",
        "totalValueCurrency?",
        "totals?",
    ]


def test_a_leg_that_changed_is_told_and_comes_back_with_its_version(operator: Client) -> None:
    before = publish("ann").version
    Aggregate.objects.get(name="overview").legs.filter(name="orders").update(if_failed="fail")
    assert [change.text for change in draft().changes()] == [
        "aggregate overview: leg orders: if failed null \u2192 fail"
    ]
    publish("ann")

    restore(before, "ann")
    assert Aggregate.objects.get(name="overview").legs.get(name="orders").if_failed == "null"
