"""``GET /api/user/{userId}/dashboard``: whole, and with one part missing."""

import asyncio
import json
import re
import threading
from typing import Any

import pytest

from atoll.testing.tokens import access_token
from gateway.tests.harness import Answer, Gateway
from gateway.tests.upstream import Seen, Upstream, answer

ADA = "0197f1c0-0000-7000-8000-000000000001"
BOB = "0197f1c0-0000-7000-8000-000000000002"
ACCOUNT = {"id": ADA, "email": "ada@example.com", "name": "Ada", "roles": [], "isActive": True}
SUMMARY = {"total": 7, "recent": [{"id": str(n), "total": 1.5} for n in range(5)], "totalValue": 99.9}


@pytest.fixture(autouse=True)
def legs(upstream: Upstream) -> None:
    upstream.answers("/users/", answer(200, json.dumps(ACCOUNT).encode()))
    upstream.answers("/orders/summary", answer(200, json.dumps(SUMMARY).encode()))


def dashboard(gateway: Gateway, user_id: str = ADA, *, by: str = ADA, roles: tuple[str, ...] = ()) -> Answer:
    token = access_token(by, roles)
    return gateway.get(f"/api/user/{user_id}/dashboard", Authorization=f"Bearer {token}")


def test_both_legs_make_one_answer(gateway: Gateway) -> None:
    answer_ = dashboard(gateway)

    assert answer_.status == 200
    body = answer_.json()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body.pop("timestamp"))
    assert body == {"user": {"id": ADA, "name": "Ada", "email": "ada@example.com"}, "orders": SUMMARY}


def test_sums_of_several_currencies_pass_through(gateway: Gateway, upstream: Upstream) -> None:
    sums = {
        "totalValueCurrency": "EUR",
        "totals": [
            {"currency": "EUR", "orders": 6, "total": 99.9},
            {"currency": "JPY", "orders": 1, "total": 1050},
        ],
    }
    upstream.answers("/orders/summary", answer(200, json.dumps({**SUMMARY, **sums, "new": 1}).encode()))
    assert dashboard(gateway).json()["orders"] == {**SUMMARY, **sums}


def test_both_legs_carry_the_users_own_token_and_one_correlation_id(
    gateway: Gateway, upstream: Upstream
) -> None:
    token = access_token(ADA)
    gateway.get(
        f"/api/user/{ADA}/dashboard", Authorization=f"Bearer {token}", X_Correlation_ID="dashboard-test-1"
    )
    user, orders = upstream.of("/users/")[0], upstream.of("/orders/")[0]

    assert (user.target, orders.target) == (f"/users/{ADA}", f"/orders/summary?userId={ADA}")
    for leg in (user, orders):
        assert leg.header("authorization") == f"Bearer {token}"
        assert leg.header("x-correlation-id") == "dashboard-test-1"


def test_the_legs_are_asked_at_the_same_time(gateway: Gateway, upstream: Upstream) -> None:
    both = threading.Barrier(2, timeout=3)
    replies = {"/users/": ACCOUNT, "/orders/": SUMMARY}

    def meeting(reply: Any) -> Any:
        async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.to_thread(both.wait)
            writer.write(answer(200, json.dumps(reply).encode()))

        return behave

    upstream.behaviours = {prefix: meeting(reply) for prefix, reply in replies.items()}
    assert dashboard(gateway).status == 200


def test_staff_may_see_anybodys_and_others_only_their_own(gateway: Gateway, upstream: Upstream) -> None:
    assert dashboard(gateway, by=BOB, roles=("support",)).status == 200
    assert dashboard(gateway, by=BOB, roles=("operator", "catalogue")).status == 403
    asked = len(upstream.seen)
    refused = dashboard(gateway, by=BOB)
    assert (refused.status, refused.json()["error"]) == (403, "Not allowed")
    assert gateway.get(f"/api/user/{ADA}/dashboard").status == 401
    assert len(upstream.seen) == asked


def test_a_user_who_does_not_exist_is_404(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/users/", answer(404, b'{"error": "User not found"}'))

    answer_ = dashboard(gateway)
    assert (answer_.status, answer_.json()["error"]) == (404, "User not found")


BROKEN = [
    answer(500, b"{}"),
    answer(403, b"{}"),
    answer(200, b"not json"),
    answer(200, b"[]"),
    answer(200, b'{"id": 1}'),
    b"rubbish\r\n\r\n",
]


@pytest.mark.parametrize("broken", BROKEN)
def test_orders_failing_leaves_the_account_and_an_error(
    gateway: Gateway, upstream: Upstream, broken: bytes
) -> None:
    upstream.answers("/orders/summary", broken)

    body = dashboard(gateway).json()
    assert (body["user"]["name"], body["orders"]) == ("Ada", None)
    assert [error["source"] for error in body["errors"]] == ["orders"]


@pytest.mark.parametrize("broken", BROKEN)
def test_the_account_failing_leaves_the_orders_and_an_error(
    gateway: Gateway, upstream: Upstream, broken: bytes
) -> None:
    upstream.answers("/users/", broken)

    answer_ = dashboard(gateway)
    assert answer_.status == 200
    assert (answer_.json()["user"], answer_.json()["orders"]) == (None, SUMMARY)
    assert [error["source"] for error in answer_.json()["errors"]] == ["user"]


def test_a_service_that_is_gone_is_named(gateway: Gateway) -> None:
    gateway.knows("order-service")

    assert dashboard(gateway).json()["errors"] == [
        {
            "source": "orders",
            "error": "Service temporarily unavailable",
            "message": "No instance of order-service is running.",
            "code": "no_instance",
        }
    ]


def test_both_legs_failing_is_500(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/users/", answer(500, b"{}"))
    upstream.answers("/orders/summary", answer(500, b"{}"))

    answer_ = dashboard(gateway)
    assert (answer_.status, answer_.json()["error"]) == (500, "Failed to load dashboard data")
    assert [error["source"] for error in answer_.json()["details"]["errors"]] == ["user", "orders"]


@pytest.mark.parametrize(
    "path", ["/api/user", "/api/user/x/dashboard", f"/api/user/{ADA}", f"/api/user/{ADA}/x"]
)
def test_other_paths_below_it_are_404(gateway: Gateway, path: str) -> None:
    assert gateway.get(path, Authorization=f"Bearer {access_token(ADA)}").status == 404


def test_writing_to_it_is_405(gateway: Gateway) -> None:
    answer_ = gateway.request("POST", f"/api/user/{ADA}/dashboard", b"{}")
    assert (answer_.status, answer_.headers["allow"]) == (405, "GET, HEAD")
