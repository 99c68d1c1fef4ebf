"""Bad input through the gateway gets the error shape and changes nothing."""

from typing import Any
from uuid import uuid4

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from atoll.testing.running import Platform
from demo.shopper import Item, Shopper

FIELDS = {"error", "message", "code", "correlationId", "details"}


@pytest.fixture
def product(shopper: Shopper) -> dict[str, Any]:
    return next(found for found in shopper.products(inStock="true", pageSize=50) if found["stock"] >= 5)


def send(
    platform: Platform,
    shopper: Shopper | None,
    body: Any,
    *,
    path: str = "/api/orders",
    method: str = "POST",
    headers: dict[str, str] | None = None,
) -> requests.Response:
    signed = shopper.authorization() if shopper else {}
    return requests.request(
        method,
        platform.gateway_url + path,
        headers={"Content-Type": "application/json", **signed, **(headers or {})},
        data=body if isinstance(body, bytes | str) else None,
        json=None if isinstance(body, bytes | str) else body,
        timeout=20,
    )


def refused(answer: requests.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["Content-Type"].startswith("application/json")
    body = dict(answer.json())
    assert set(body) >= FIELDS - {"details"}, body
    assert body["correlationId"] == answer.headers["X-Correlation-ID"]
    assert "Traceback" not in answer.text
    assert "<html" not in answer.text.lower()
    return body


def order_of(product: dict[str, Any], quantity: Any = 1, **extra: Any) -> dict[str, Any]:
    return {"items": [{"productId": product["id"], "quantity": quantity, **extra}], "paymentMethod": "card"}


@pytest.mark.parametrize("quantity", [0, -1, 1.5, "2", None, True, 10**9, [1]])
def test_an_impossible_quantity_is_refused(platform, shopper, product, quantity):
    refused(send(platform, shopper, order_of(product, quantity)), 400)
    assert shopper.orders() == []


def test_an_unknown_product_is_refused(platform, shopper):
    body = refused(send(platform, shopper, order_of({"id": str(uuid4())})), 422)
    assert body["code"] == "product_not_found"
    assert shopper.orders() == []


def test_ten_thousand_lines_are_refused(platform, shopper, product):
    body = {"items": [{"productId": product["id"], "quantity": 1}] * 10_000, "paymentMethod": "card"}
    refused(send(platform, shopper, body), 400)
    assert shopper.orders() == []


@pytest.mark.parametrize("field", ["price", "unitPrice"])
def test_a_price_from_the_client_is_refused(platform, shopper, product, field):
    refused(send(platform, shopper, order_of(product, 1, **{field: 0.01})), 400)
    refused(send(platform, shopper, order_of(product) | {"total": 0.01}), 400)
    assert shopper.orders() == []


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"",
        b"[]",
        b"null",
        b'"text"',
        b'{"items": NaN}',
        b'{"items": 1e999}',
        b'{"items": [], "items": []}',
        b"[" * 5000,
        b'{"items": "\\ud800"}',
        b'{"items": "\\u0000"}',
        b"\xff\xfe",
        b'{"items": {}}',
        b'{"items": [1]}',
        b'{"items": [{"productId": 7, "quantity": 1}], "paymentMethod": "card"}',
        b'{"items": [], "paymentMethod": "card"}',
    ],
)
def test_a_malformed_body_is_refused(platform, shopper, raw):
    refused(send(platform, shopper, raw), 400)
    assert shopper.orders() == []


def test_a_body_that_is_too_large_is_refused(platform, shopper):
    refused(send(platform, shopper, b'{"items": "' + b"x" * 3_000_000 + b'"}'), 413)
    assert shopper.orders() == []


def test_another_content_type_is_refused(platform, shopper):
    refused(send(platform, shopper, b"items=1", headers={"Content-Type": "text/plain"}), 415)


def test_somebody_elses_order_is_as_good_as_missing(platform, shopper, product):
    placed = shopper.place_order([Item(product["id"], 1)])
    final = shopper.wait_until_final(placed["id"])
    stranger = Shopper(platform.gateway_url)
    stranger.register()
    missing = refused(send(platform, stranger, b"", path=f"/api/orders/{uuid4()}", method="GET"), 404)
    foreign = refused(send(platform, stranger, b"", path=f"/api/orders/{placed['id']}", method="GET"), 404)
    assert foreign["code"] == missing["code"]
    refused(send(platform, stranger, {"reason": "mine"}, path=f"/api/orders/{placed['id']}/cancel"), 404)
    refused(
        send(platform, stranger, b"", path=f"/api/user/{shopper.user['id']}/dashboard", method="GET"), 403
    )
    assert shopper.order(placed["id"]) == final


def test_an_unknown_route_is_refused(platform, shopper):
    for path in ("/nowhere", "/api/nowhere", "/api", "/registry/services", "/ordersx"):
        refused(send(platform, shopper, b"", path=path, method="GET"), 404)


def test_no_token_is_401_and_a_bad_one_403(platform, shopper):
    body = refused(send(platform, None, b"", method="GET"), 401)
    assert body["error"] == "Access token required"
    other_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = jwt.decode(
        shopper.authorization()["Authorization"].removeprefix("Bearer "), options={"verify_signature": False}
    )
    head = jwt.get_unverified_header(shopper.authorization()["Authorization"].removeprefix("Bearer "))
    forged = [
        jwt.encode(claims, other_key, algorithm="RS256", headers={"kid": head["kid"]}),
        jwt.encode(claims | {"iss": "somebody-else"}, other_key, algorithm="RS256", headers={"kid": "other"}),
        jwt.encode(claims, "secret" * 8, algorithm="HS256", headers={"kid": head["kid"]}),
        jwt.encode(claims, None, algorithm="none"),
        "not.a.token",
    ]
    for token in forged:
        answer = send(platform, None, b"", method="GET", headers={"Authorization": f"Bearer {token}"})
        assert refused(answer, 403)["error"] == "Invalid or expired token"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_identity_headers_from_a_client_mean_nothing(platform, shopper, product):
    placed = shopper.place_order([Item(product["id"], 1)])
    shopper.wait_until_final(placed["id"])
    stranger = Shopper(platform.gateway_url)
    stranger.register()
    claimed = {
        "X-User-ID": shopper.user["id"],
        "X-User-Roles": "admin,staff",
        "X_User_ID": shopper.user["id"],
        "X-Forwarded-For": "10.0.0.1",
    }
    answer = send(platform, stranger, b"", path=f"/api/orders/{placed['id']}", method="GET", headers=claimed)
    refused(answer, 404)


def test_a_customer_writes_no_products(platform, shopper, product):
    refused(
        send(platform, shopper, {"name": "Mine"}, path=f"/api/products/{product['id']}", method="PATCH"), 403
    )
    assert shopper.product(product["id"])["name"] == product["name"]
