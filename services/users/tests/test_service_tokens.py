"""POST /auth/service-token and the credentials behind it."""

import base64
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from atoll import conf, identity
from atoll.errors import InvalidInput
from atoll.identity import verification
from services.users.models import ServiceCredential
from services.users.usecases.issue_credential import issue_credential, store_credential
from services.users.usecases.withdraw_credential import withdraw_credential

pytestmark = pytest.mark.django_db


def by_json(service: str, secret: str) -> Any:
    return APIClient().post("/auth/service-token", {"clientId": service, "clientSecret": secret})


def by_basic(service: str, secret: str) -> Any:
    encoded = base64.b64encode(f"{service}:{secret}".encode()).decode()
    return APIClient().post("/auth/service-token", HTTP_AUTHORIZATION=f"Basic {encoded}")


@pytest.mark.parametrize("ask", [by_json, by_basic])
def test_a_credential_gives_a_token_that_proves_the_service(ask: Any) -> None:
    answer = ask("order-service", issue_credential("order-service"))

    assert answer.status_code == 200
    assert set(answer.json()) == {"accessToken", "expiresIn"}
    assert answer.json()["expiresIn"] == 900
    principal = identity.verify(answer.json()["accessToken"])
    assert (principal.kind, principal.service, principal.roles) == ("service", "order-service", frozenset())
    assert ServiceCredential.objects.get().last_used_at is not None


@pytest.mark.parametrize("ask", [by_json, by_basic])
def test_every_refusal_looks_the_same(ask: Any) -> None:
    secret = issue_credential("order-service")
    withdrawn = issue_credential("old-service")
    withdraw_credential("old-service")

    answers = [
        ask("order-service", secret + "x"),
        ask("order-service", "x"),
        ask("unknown-service", secret),
        ask("old-service", withdrawn),
        ask("ORDER-SERVICE", secret),
        ask("order-service' OR 1=1", secret),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["code"] for answer in answers} == {"invalid_client"}
    assert {answer.json()["message"] for answer in answers} == {answers[0].json()["message"]}


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Basic bm9jb2xvbg==", "Basic /////w==", "Basic AAA6AA=="]
)
def test_a_malformed_basic_header_is_refused(header: str) -> None:
    assert APIClient().post("/auth/service-token", HTTP_AUTHORIZATION=header).status_code == 401


@pytest.mark.parametrize("body", [{}, {"clientId": "order-service"}, {"clientId": 7, "clientSecret": 7}, []])
def test_a_malformed_body_is_400(body: Any) -> None:
    assert APIClient().post("/auth/service-token", body).status_code == 400


def test_a_new_secret_ends_the_former_one() -> None:
    former = issue_credential("order-service")
    new = issue_credential("order-service")

    assert by_json("order-service", former).status_code == 401
    assert by_json("order-service", new).status_code == 200


def test_the_secret_is_kept_as_a_keyed_hash(settings: Any) -> None:
    secret = issue_credential("order-service")
    stored = ServiceCredential.objects.get().secret_hash

    assert len(stored) == 64
    assert secret not in stored
    former = settings.SECRET_KEY
    settings.SECRET_KEY = "another secret key of good length, for this test only"
    assert by_json("order-service", secret).status_code == 401
    settings.SECRET_KEY_FALLBACKS = [former]
    verification.forget_keys()
    assert by_json("order-service", secret).status_code == 200


def test_a_short_secret_or_a_bad_name_is_not_stored() -> None:
    with pytest.raises(InvalidInput):
        store_credential("order-service", "x" * 31)
    with pytest.raises(InvalidInput):
        store_credential("Order Service", "x" * 32)

    assert not ServiceCredential.objects.exists()


def test_sync_credentials_stores_every_project_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in conf.projects():
        monkeypatch.setenv(f"{name.upper()}_SERVICE_SECRET", f"the secret of {name}, long enough for it")
    first, second = StringIO(), StringIO()

    call_command("sync_credentials", stdout=first)
    call_command("sync_credentials", stdout=second)

    services = sorted(project.service for project in conf.projects().values())
    assert list(ServiceCredential.objects.values_list("service", flat=True)) == services
    assert first.getvalue().count(": stored") == len(services)
    assert second.getvalue().count(": unchanged") == len(services)
    assert by_json("payment-service", "the secret of payments, long enough for it").status_code == 200


def test_sync_credentials_brings_back_a_withdrawn_one_and_a_changed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in conf.projects():
        monkeypatch.setenv(f"{name.upper()}_SERVICE_SECRET", f"the secret of {name}, long enough for it")
    call_command("sync_credentials", stdout=StringIO())
    withdraw_credential("order-service")
    monkeypatch.setenv("PAYMENTS_SERVICE_SECRET", "another secret of payments, long enough")

    call_command("sync_credentials", stdout=StringIO())

    assert by_json("order-service", "the secret of orders, long enough for it").status_code == 200
    assert by_json("payment-service", "the secret of payments, long enough for it").status_code == 401
    assert by_json("payment-service", "another secret of payments, long enough").status_code == 200
