"""Nothing that a customer can send does harm or gets an answer in another shape."""

import json

import pytest

from services.orders.models import Order

pytestmark = pytest.mark.django_db

PRODUCT = "0198c0de-0000-7000-8000-000000000001"
LINE = {"productId": PRODUCT, "quantity": 1}


def refused(answer, status: int) -> dict:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/json"
    error = answer.json()
    assert set(error) == {"error", "message", "code", "correlationId", "details"}
    assert Order.objects.count() == 0
    return error


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"items": []},
        {"items": None},
        {"items": {}},
        {"items": "all"},
        {"items": [None]},
        {"items": [7]},
        {"items": [[]]},
        {"items": [{}]},
        {"items": [{"productId": PRODUCT}]},
        {"items": [{"quantity": 1}]},
        {"items": [LINE | {"quantity": 0}]},
        {"items": [LINE | {"quantity": -1}]},
        {"items": [LINE | {"quantity": 1001}]},
        {"items": [LINE | {"quantity": 10**30}]},
        {"items": [LINE | {"quantity": 1.5}]},
        {"items": [LINE | {"quantity": 1.0}]},
        {"items": [LINE | {"quantity": "1"}]},
        {"items": [LINE | {"quantity": True}]},
        {"items": [LINE | {"quantity": None}]},
        {"items": [LINE | {"quantity": [1]}]},
        {"items": [LINE | {"productId": 1}]},
        {"items": [LINE | {"productId": "lamp"}]},
        {"items": [LINE | {"productId": None}]},
        {"items": [LINE | {"productId": [PRODUCT]}]},
        {"items": [LINE | {"price": 0.01}]},
        {"items": [LINE | {"unitPrice": 0.01}]},
        {"items": [LINE], "total": 0.01},
        {"items": [LINE], "currency": "EUR"},
        {"items": [LINE], "userId": PRODUCT},
        {"items": [LINE], "status": "confirmed"},
        {"items": [LINE], "paymentMethod": ""},
        {"items": [LINE], "paymentMethod": 7},
        {"items": [LINE], "paymentMethod": True},
        {"items": [LINE], "paymentMethod": None},
        {"items": [LINE], "paymentMethod": ["card"]},
        {"items": [LINE], "paymentMethod": "card; DROP TABLE orders"},
        {"items": [LINE], "paymentMethod": "x" * 41},
        {"items": [LINE] * 101},
        {"items": [LINE] * 10_000},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_a_body_that_is_no_order_is_refused_before_anybody_is_asked(
    neighbours, atoll_as_user, atoll_bus, body
):
    refused(atoll_as_user(neighbours.user()).post("/orders", body), 400)
    assert neighbours.asked == []
    assert atoll_bus.sent() == []


def test_the_refusal_names_the_field(neighbours, atoll_as_user):
    answer = atoll_as_user(neighbours.user()).post("/orders", {"items": [LINE, LINE | {"quantity": 0}]})
    details = refused(answer, 400)["details"]
    assert details == {"items": {"1": {"quantity": ["Ensure this value is greater than or equal to 1."]}}}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"items",
        b"\xff\xfe",
        b'{"items": [NaN]}',
        b'{"items": [{"productId": "\\u0000", "quantity": 1}]}',
        b'{"items": [{"productId": "\\ud800", "quantity": 1}]}',
        b'{"items": [], "items": []}',
        b"[" * 10_000,
        b"1" * 5000,
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_what_is_no_json_is_refused(neighbours, atoll_as_user, raw):
    answer = atoll_as_user(neighbours.user()).generic("POST", "/orders", raw, content_type="application/json")
    refused(answer, 400)


def test_a_body_that_is_too_large_is_refused(neighbours, atoll_as_user):
    raw = b'{"items": ["' + b"x" * 1_100_000 + b'"]}'
    answer = atoll_as_user(neighbours.user()).generic("POST", "/orders", raw, content_type="application/json")
    assert refused(answer, 413)["code"] == "body_too_large"


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "text/xml"])
def test_a_body_that_is_not_declared_as_json_is_refused(neighbours, atoll_as_user, media_type):
    raw = json.dumps({"items": [LINE]})
    refused(atoll_as_user(neighbours.user()).generic("POST", "/orders", raw, content_type=media_type), 415)


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "ümlaut", "a,b"])
def test_a_malformed_idempotency_key_is_refused(neighbours, atoll_as_user, key):
    client = atoll_as_user(neighbours.user())
    refused(client.post("/orders", {"items": [LINE]}, headers={"Idempotency-Key": key}), 400)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/orders/not-an-id", 404),
        ("GET", "/orders/0198c0de-0000-7000-8000-00000000dead/lines", 404),
        ("GET", "/nothing-here", 404),
        ("POST", "/orders/0198c0de-0000-7000-8000-00000000dead/cancel", 404),
        ("GET", "/orders/0198c0de-0000-7000-8000-00000000dead", 404),
        ("DELETE", "/orders", 405),
        ("PATCH", "/orders/0198c0de-0000-7000-8000-00000000dead", 405),
        ("DELETE", "/orders/0198c0de-0000-7000-8000-00000000dead", 405),
        ("GET", "/orders/0198c0de-0000-7000-8000-00000000dead/cancel", 405),
    ],
)
def test_an_address_or_method_that_does_not_exist_is_told_in_our_shape(atoll_as_user, method, path, status):
    refused(atoll_as_user().generic(method, path, b"{}", content_type="application/json"), status)


@pytest.mark.parametrize(
    "query",
    [
        "status=shipped",
        "userId=me",
        "createdAfter=yesterday",
        "createdBefore=2026-13-01",
        "page=0",
        "page=x",
        "pageSize=0",
        "pageSize=-1",
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(atoll_as_user, query):
    refused(atoll_as_user().get(f"/orders?{query}"), 400)


@pytest.mark.parametrize("user_id", ["me", "7", "%00"])
def test_a_summary_of_something_that_is_no_user_is_refused(atoll_as_user, user_id):
    refused(atoll_as_user().get(f"/orders/summary?userId={user_id}"), 400)
