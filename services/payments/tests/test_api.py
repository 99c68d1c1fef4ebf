"""The payments API: own payments for users, all for staff, nothing to write."""

from decimal import Decimal
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from services.payments.models import Payment

FIELDS = {
    "id", "orderId", "userId", "amount", "currency", "method", "status", "reason", "createdAt", "updatedAt",
}  # fmt: skip


def ids(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()]


def test_a_user_reads_their_own_payment(atoll_as_user, make_payment):
    payment = make_payment(amount=Decimal("59.80"))

    answer = atoll_as_user(payment.user_id).get(f"/payments/{payment.id}")

    assert answer.status_code == 200
    assert set(answer.json()) == FIELDS
    assert answer.json()["orderId"] == str(payment.order_id)
    assert b'"amount":59.80' in answer.content


def test_somebody_else_s_payment_is_not_found_like_an_unknown_one(
    atoll_as_user, atoll_as_staff, make_payment
):
    payment = make_payment()

    others, unknown = (
        atoll_as_user().get(f"/payments/{payment.id}"),
        atoll_as_user().get(f"/payments/{uuid4()}"),
    )

    assert others.status_code == unknown.status_code == 404
    assert others.json()["code"] == unknown.json()["code"] == "payment_not_found"
    assert atoll_as_staff().get(f"/payments/{payment.id}").status_code == 200


def test_lists_hold_what_the_caller_may_see_newest_first(atoll_as_user, atoll_as_staff, make_payment):
    ada = uuid4()
    first, second, other = make_payment(user_id=ada), make_payment(user_id=ada), make_payment()
    nameless = make_payment(user_id=None, amount=None, currency="", method="", status="refused")

    assert ids(atoll_as_user(ada).get("/payments")) == [str(second.id), str(first.id)]
    assert ids(atoll_as_user().get("/payments")) == []
    everything = atoll_as_staff().get("/payments?pageSize=3")
    assert ids(everything) == [str(nameless.id), str(other.id), str(second.id)]
    assert everything["X-Total-Count"] == "4"
    assert everything.json()[0]["amount"] is None


def test_filters_narrow_and_never_widen(atoll_as_user, atoll_as_staff, make_payment):
    ada = uuid4()
    paid, failed = make_payment(user_id=ada), make_payment(user_id=ada, status="failed")
    other = make_payment()

    assert ids(atoll_as_user(ada).get("/payments?status=failed")) == [str(failed.id)]
    assert ids(atoll_as_user(ada).get(f"/payments?orderId={paid.order_id}")) == [str(paid.id)]
    assert ids(atoll_as_user(ada).get(f"/payments?userId={other.user_id}")) == []
    assert ids(atoll_as_staff().get(f"/payments?userId={other.user_id}")) == [str(other.id)]
    assert ids(atoll_as_staff().get("/payments?createdAfter=2100-01-01T00:00:00Z")) == []


@pytest.mark.parametrize(
    "query",
    ["status=paid", "orderId=x", "userId=1", "createdAfter=soon", "colour=red", "page=0"],
)
def test_a_query_that_makes_no_sense_is_400(atoll_as_user, db, query):
    answer = atoll_as_user().get(f"/payments?{query}")
    assert answer.status_code == 400
    assert answer.json()["details"]
    assert atoll_as_user().get("/payments?status=%00").status_code == 400


def test_without_a_user_s_token_nothing_is_shown(atoll_as_service, atoll_trusted_test_key, make_payment):
    payment = make_payment()
    nobody, broken = APIClient(), APIClient()
    broken.credentials(HTTP_AUTHORIZATION="Bearer not.a.token")

    for path in ("/payments", f"/payments/{payment.id}"):
        assert nobody.get(path).status_code == 401
        assert nobody.get(path).json()["error"] == "Access token required"
        assert broken.get(path).status_code == 403
        assert atoll_as_service().get(path).status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nobody_writes_payments_over_http(atoll_as_staff, make_payment, method):
    payment = make_payment()
    for path in ("/payments", f"/payments/{payment.id}"):
        assert getattr(atoll_as_staff(), method)(path, {"status": "refunded"}).status_code == 405
    assert Payment.objects.get().status == "completed"


def test_the_openapi_document_tells_the_truth(client, db):
    document = client.get("/schema").json()

    properties = document["components"]["schemas"]["Payment"]["properties"]
    assert set(properties) == FIELDS
    asked = {parameter["name"] for parameter in document["paths"]["/payments"]["get"]["parameters"]}
    assert asked == {
        "currency", "status", "orderId", "userId", "createdAfter", "createdBefore", "page", "pageSize",
    }  # fmt: skip


def test_the_longest_page_is_bounded(atoll_as_staff, make_payment, django_assert_num_queries):
    for _ in range(100):
        make_payment(
            method="m" * 64, reason="\u20ac" * 200, amount=Decimal("9999999999999.99"), status="failed"
        )
    client = atoll_as_staff()
    with django_assert_num_queries(2):
        answer = client.get("/payments?pageSize=100")
    assert len(answer.json()) == 100
    assert len(answer.content) < 150_000
