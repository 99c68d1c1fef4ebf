"""A page that asks before something stops says for whom, with counts."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from gateway.models import ApiKey, Consumer, Issuer, RequestLog, Route
from gateway.usecases.api_keys import issue_key
from gateway.usecases.load_routes import load_routes

pytestmark = pytest.mark.django_db
ROUTES = "/admin/gateway/route/"


@pytest.fixture
def admin(settings: Any) -> Client:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    load_routes()
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("root@example.com", email="root@example.com"))
    return client


def seen(route: str, *callers: str, ago: timedelta = timedelta(minutes=5)) -> None:
    for caller in callers:
        is_address = caller.startswith("10.")
        RequestLog.objects.create(
            at=timezone.now() - ago,
            correlation_id="c",
            method="GET",
            path="/",
            route=route,
            status=200,
            duration_ms=1,
            client=caller if is_address else "10.0.0.1",
            user_id="" if is_address else caller,
        )


@pytest.fixture
def scanner() -> Consumer:
    load_routes()
    consumer = Consumer.objects.create(code="scanner", name="Scanner")
    consumer.grants.create(route=Route.objects.get(name="orders"), methods=["GET"])
    return consumer


def test_disabling_a_route_says_who_used_it_and_which_machines_may(admin: Client, scanner: Consumer) -> None:
    seen("orders", "ada", "ada", "bob", "10.0.0.2")
    seen("orders", "long-gone", ago=timedelta(hours=2))
    seen("products", "eve")
    orders = Route.objects.get(name="orders")

    asked = admin.post(ROUTES, {"action": "disable", "_selected_action": [orders.pk]}).content.decode()
    assert "Requests in the last hour: 4. Callers: 3." in asked
    assert "Machines with a grant for them: scanner." in asked
    assert Route.objects.get(pk=orders.pk).enabled

    admin.post(ROUTES, {"action": "disable", "_selected_action": [orders.pk], "confirmed": "disable"})
    assert not Route.objects.get(pk=orders.pk).enabled
    entry = LogEntry.objects.get(object_id=str(orders.pk))
    assert (entry.change_message, entry.user.email) == ("disabled", "root@example.com")


def test_a_route_that_nobody_used_says_so(admin: Client) -> None:
    orders = Route.objects.get(name="orders")

    asked = admin.post(ROUTES, {"action": "disable", "_selected_action": [orders.pk]}).content.decode()
    assert "no request of theirs in the last hour" in asked


def test_switching_a_machine_off_says_its_keys_and_requests(admin: Client, scanner: Consumer) -> None:
    issue_key(scanner, by="ada")
    seen("orders", "consumer:scanner", "consumer:scanner", "consumer:other")
    form = {
        "code": "scanner",
        "name": "Scanner",
        "grants-TOTAL_FORMS": "0",
        "grants-INITIAL_FORMS": "0",
        "keys-TOTAL_FORMS": "0",
        "keys-INITIAL_FORMS": "0",
    }

    asked = admin.post(f"/admin/gateway/consumer/{scanner.pk}/change/", form).content.decode()
    assert "Keys in use: 1." in asked
    assert "Requests in the last hour: 2. Callers: 1." in asked
    assert Consumer.objects.get().enabled


def test_revoking_keys_says_how_many_are_in_use_and_which_stay(admin: Client, scanner: Consumer) -> None:
    used, _ = issue_key(scanner, by="ada")
    issue_key(scanner, by="ada")
    ApiKey.objects.filter(pk=used.pk).update(last_used_at=timezone.now())

    for asked in (
        admin.post("/admin/gateway/apikey/", {"action": "revoke_selected", "_selected_action": [used.pk]}),
        admin.get(f"/admin/gateway/apikey/{used.pk}/revoke/"),
    ):
        text = asked.content.decode()
        assert "Of 1 key, 1 was used in the last hour." in text
        assert "Machines: 1. Other keys that they keep: 1." in text
        assert 'href="/admin/gateway/apikey/"' in text


def test_switching_an_issuer_off_says_its_callers(admin: Client) -> None:
    issuer = Issuer.objects.create(
        name="keycloak", issuer="https://id.example.com/realms/shop", audience=["shop"]
    )
    seen("orders", "keycloak:1", "keycloak:2", "keycloak:2", "3")

    asked = admin.post(f"/admin/gateway/issuer/{issuer.pk}/change/", {"name": "keycloak"}).content.decode()
    assert "Requests in the last hour: 3. Callers: 2." in asked
