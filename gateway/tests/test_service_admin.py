"""Services and limit policies as rows: from the form to the table and to the edge, and back."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from gateway.draft import as_yaml
from gateway.draft.rows import load
from gateway.edge.routes import snapshot
from gateway.models import LimitPolicy, Publication, Route, Service
from gateway.usecases.load_routes import load_routes
from gateway.usecases.publish import current_document, draft, publish
from gateway.usecases.restore import restore

pytestmark = pytest.mark.django_db
READY = "anonymous-100-per-15-minutes"


@pytest.fixture
def admin(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Client:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    monkeypatch.setattr("gateway.admin.services.known_services", lambda: frozenset({"order-service"}))
    load_routes()
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("root@example.com"))
    return client


def service(**fields: Any) -> dict[str, Any]:
    return {
        "name": "order-service",
        "strategy": "round-robin",
        "url": "",
        "max_in_flight": "50",
        "hedge_after": "delay",
        "hedge_delay_ms": "40",
        "health_path": "/health/ready",
        "health_interval_s": "5",
        "health_timeout_s": "1",
        "unhealthy_after": "3",
        "healthy_after": "2",
        **fields,
    }


def policy(*routes: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": "shared",
        "limit": "7",
        "window_s": "60",
        "key": "address",
        "applies_to": "everyone",
        "routes": [Route.objects.get(name=name).pk for name in routes],
        **fields,
    }


@pytest.mark.parametrize("model", ["service", "limitpolicy"])
def test_every_page_opens(admin: Client, model: str) -> None:
    Service.objects.create(name="order-service")
    pk = (Service if model == "service" else LimitPolicy).objects.all()[0].pk

    for path in ("", "add/", f"{pk}/change/", "?q=orders"):
        assert admin.get(f"/admin/gateway/{model}/{path}").status_code == 200


def test_the_form_offers_the_known_services(admin: Client) -> None:
    page = admin.get("/admin/gateway/service/add/").content.decode()

    assert '<option value="order-service">' in page


def test_a_saved_service_is_published_with_its_settings(admin: Client) -> None:
    assert admin.post("/admin/gateway/service/add/", service(_publish="")).status_code == 302

    latest = Publication.objects.first()
    assert latest is not None and latest.changes == ["service order-service: added"]
    found = snapshot.read(latest.document).services["order-service"]
    assert (found.strategy, found.max_in_flight, found.health.path) == ("round-robin", 50, "/health/ready")
    assert (found.health.interval_s, found.health.unhealthy_after) == (5, 3)
    assert (found.hedge.after, found.hedge.delay_ms) == ("delay", 40)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "Order Service"}, "its name must be lower-case"),
        ({"strategy": "fastest"}, "Select a valid choice"),
        ({"url": "gopher://x"}, "must look like http://name"),
        ({"url": "http://169.254.169.254/latest"}, "without a path"),
        ({"max_in_flight": "0"}, "requests may be in flight"),
        ({"health_interval_s": "nan"}, "Enter a number"),
        ({"health_timeout_s": "50"}, "the time-out of the health check"),
        ({"unhealthy_after": "0"}, "checks take an instance out"),
        ({"hedge_after": "always"}, "Select a valid choice"),
        ({"hedge_delay_ms": "0"}, "a second instance is asked after 1 to 60000 ms"),
    ],
)
def test_invalid_settings_are_refused_with_their_reason(
    admin: Client, fields: dict[str, str], problem: str
) -> None:
    answer = admin.post("/admin/gateway/service/add/", service(**fields))

    assert (answer.status_code, problem in answer.content.decode()) == (200, True)
    assert not Service.objects.exists()


def test_the_ready_policy_is_there_and_counts_nowhere_until_a_route_has_it(admin: Client) -> None:
    ready = LimitPolicy.objects.get(name=READY)
    assert (ready.limit, ready.window_s, ready.key, ready.applies_to) == (100, 900, "address", "anonymous")
    assert current_document(1)["limits"] == []
    assert not draft().changes()

    sent = policy("auth", "products", name=READY, limit="100", window_s="900", applies_to="anonymous")
    admin.post(f"/admin/gateway/limitpolicy/{ready.pk}/change/", sent | {"_publish": ""})
    latest = Publication.objects.first()
    assert latest is not None
    (found,) = snapshot.read(latest.document).limits
    assert (found.name, found.routes) == (READY, ("auth", "products"))


def test_two_policies_for_one_caller_of_one_route_are_refused_and_nothing_changes(admin: Client) -> None:
    admin.post("/admin/gateway/limitpolicy/add/", policy("auth", name="first", applies_to="anonymous"))
    both = admin.post("/admin/gateway/limitpolicy/add/", policy("auth", "orders", name="second"), follow=True)

    assert "both apply to anonymous callers of route &#x27;auth&#x27;" in both.content.decode()
    assert not LimitPolicy.objects.filter(name="second").exists()

    other = policy("auth", name="third", applies_to="signed_in")
    assert admin.post("/admin/gateway/limitpolicy/add/", other).status_code == 302
    assert LimitPolicy.objects.filter(name="third").exists()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"limit": "0"}, "the limit must be 1 to"),
        ({"limit": "2000000000"}, "the limit must be 1 to"),
        ({"window_s": "90000"}, "the window must be 1 to"),
        ({"key": "mood"}, "Select a valid choice"),
        ({"routes": ["99999"]}, "Select a valid choice"),
    ],
)
def test_an_invalid_policy_is_refused_with_its_reason(
    admin: Client, fields: dict[str, Any], problem: str
) -> None:
    answer = admin.post("/admin/gateway/limitpolicy/add/", policy("auth", **fields))

    assert (answer.status_code, problem in answer.content.decode()) == (200, True)
    assert not LimitPolicy.objects.filter(name="shared").exists()


def test_a_former_version_brings_services_and_policies_back(admin: Client) -> None:
    admin.post("/admin/gateway/service/add/", service())
    admin.post("/admin/gateway/limitpolicy/add/", policy("auth", "orders"))
    kept = publish("root@example.com", "with both")
    Service.objects.update(strategy="random", health_path="")
    Service.objects.create(name="later-service")
    LimitPolicy.objects.get(name="shared").routes.set(Route.objects.filter(name="users"))
    LimitPolicy.objects.get(name=READY).routes.set(Route.objects.filter(name="payments"))
    publish("root@example.com", "changed")

    restored = restore(kept.version, "root@example.com")

    for section in ("services", "limits"):
        assert restored.document[section] == kept.document[section] == current_document(0)[section]
    assert list(Service.objects.values_list("name", flat=True)) == ["order-service"]


def test_services_and_policies_go_through_yaml_unchanged(admin: Client) -> None:
    admin.post("/admin/gateway/service/add/", service(url="https://things.example.com"))
    admin.post("/admin/gateway/limitpolicy/add/", policy("auth", "orders"))
    before = current_document(0)

    text = as_yaml.dump(before)
    Service.objects.all().delete()
    LimitPolicy.objects.all().delete()
    load(as_yaml.parse(text.encode()), "root@example.com")

    assert current_document(0) == before


def test_a_row_with_an_unknown_field_is_refused(admin: Client) -> None:
    for section in ("services", "limits"):
        row = {"name": "x", "limit": 1, "window_s": 1, "speed": 5}
        with pytest.raises(snapshot.InvalidConfiguration, match="there is no field"):
            load({section: [row]}, "root@example.com")
