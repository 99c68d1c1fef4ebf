"""Callers whose tokens are of an issuer outside of the platform."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from atoll.identity import verification
from atoll.ids import uuid7
from atoll.testing.identity_provider import AUDIENCE, IdentityProvider
from atoll.testing.tokens import client_with
from services.orders.tests.placing import placed

OWNER = "3d1f2c64-6e0a-4d6c-9a4e-2f1f1f0f7a11"


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[IdentityProvider]:
    provider = IdentityProvider()
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    monkeypatch.setenv("ISSUER_URL", provider.issuer)
    monkeypatch.setenv("ISSUER_AUDIENCE", AUDIENCE)
    verification.forget_keys()
    yield provider
    verification.forget_keys()
    provider.close()


@pytest.mark.django_db
def test_a_user_of_another_issuer_sees_the_own_orders_alone(issuer):
    mine = placed(UUID(OWNER))
    others = placed(uuid7())
    client = client_with(issuer.token(sub=OWNER))

    assert [row["id"] for row in client.get("/orders").json()] == [str(mine.id)]
    assert client.get(f"/orders/{others.id}").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("target", ["/orders", "/orders/0199a1b2-cdef-7abc-8def-abcdefabcdef"])
def test_a_user_without_a_uuid_has_no_orders_and_is_told_why(issuer, target):
    told = client_with(issuer.token(sub="auth0|6650f1c1")).get(target)

    assert (told.status_code, told.json()["code"]) == (403, "id_is_no_uuid")


@pytest.mark.django_db
def test_a_user_without_a_uuid_places_no_order(issuer):
    wish = {"items": [{"productId": OWNER, "quantity": 1}], "paymentMethod": "card"}
    told = client_with(issuer.token(sub="auth0|6650f1c1")).post(
        "/orders", wish, HTTP_IDEMPOTENCY_KEY="0199a1b2-cdef-7abc-8def-abcdefabcdef"
    )

    assert (told.status_code, told.json()["code"]) == (403, "id_is_no_uuid")
