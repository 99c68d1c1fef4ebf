"""The admin: every save publishes, an invalid table is refused, and no form field can be forged."""

import re
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from atoll.admin.tiles import tiles
from gateway import recording
from gateway.edge.routes import snapshot
from gateway.models import CorsSettings, Publication, RequestLog, Route
from gateway.tests.test_control_plane import entry
from gateway.usecases.load_routes import load_routes

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The known services, without a request to the registry."""
    names = frozenset({"thing-service", "user-service", "order-service", "a-service", "registry"})
    for module in ("routes", "route_form"):
        monkeypatch.setattr(f"gateway.admin.{module}.known_services", lambda: names)


@pytest.fixture
def admin(settings: Any) -> Client:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    load_routes()
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("root@example.com"))
    return client


def form(**fields: Any) -> dict[str, Any]:
    return {
        "name": "things",
        "prefix": "/api/things",
        "service": "thing-service",
        "service_path": "/things",
        "builtin": "",
        "methods": ["GET", "POST"],
        "access": "signed_in",
        "timeout_s": "5",
        "max_body_bytes": "1000",
        "rate_limit": "10",
        "rate_window_s": "60",
        "priority": "0",
        "enabled": "on",
        **fields,
    }


@pytest.mark.parametrize(
    "path",
    [
        "",
        "gateway/route/",
        "gateway/route/add/",
        "gateway/route/?q=orders&enabled__exact=1",
        "gateway/corssettings/",
        "gateway/corssettings/add/",
        "gateway/publication/",
        "gateway/publication/1/change/",
        "gateway/requestlog/",
        "gateway/requestlog/?status__gte=500",
        "gateway/requestlog/?q=/x&route=open&status=200",
    ],
)
def test_every_page_opens(admin: Client, path: str) -> None:
    recording.store([entry()])

    assert admin.get(f"/admin/{path}").status_code == 200


def test_a_new_route_is_published_with_its_save(admin: Client) -> None:
    answer = admin.post("/admin/gateway/route/add/", form())

    assert answer.status_code == 302
    latest = Publication.objects.get(version=2)
    assert latest.by == "root@example.com"
    (row,) = [row for row in latest.document["routes"] if row["name"] == "things"]
    assert (row["methods"], row["service_path"]) == (["GET", "POST"], "/things")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"prefix": "/admin/x"}, "belongs to the gateway itself"),
        ({"prefix": "/a/../b"}, "must look like /api/things"),
        ({"service": ""}, "choose either a service or a built-in handler"),
        ({"builtin": "dashboard"}, "choose either a service or a built-in handler"),
        ({"timeout_s": "0"}, "time-out must be above 0"),
        ({"methods": ["TRACE"]}, "Select a valid choice"),
    ],
)
def test_a_bad_route_is_refused_with_its_reason(admin: Client, fields: dict[str, Any], problem: str) -> None:
    answer = admin.post("/admin/gateway/route/add/", form(**fields))

    assert (answer.status_code, problem in answer.content.decode()) == (200, True)
    assert not Route.objects.filter(name="things").exists()
    assert Publication.objects.count() == 1


def test_a_route_that_collides_with_another_is_refused_and_nothing_changes(admin: Client) -> None:
    answer = admin.post("/admin/gateway/route/add/", form(prefix="/api/orders"))

    assert "both take GET /api/orders with priority 0" in answer.content.decode()
    assert not Route.objects.filter(name="things").exists()
    assert Publication.objects.count() == 1


def test_enabling_what_collides_is_refused_and_nothing_changes(admin: Client) -> None:
    twin = Route.objects.create(
        name="twin", prefix="/api/orders", service="a-service", service_path="/x", enabled=False
    )
    answer = admin.post(
        "/admin/gateway/route/", {"action": "enable", "_selected_action": [twin.pk]}, follow=True
    )

    assert "Nothing was changed." in answer.content.decode()
    twin.refresh_from_db()
    assert (twin.enabled, Publication.objects.count()) == (False, 1)


def test_disabling_and_enabling_are_published(admin: Client) -> None:
    orders = Route.objects.get(name="orders")
    for number, action in enumerate(("disable", "enable"), start=2):
        admin.post(
            "/admin/gateway/route/", {"action": action, "_selected_action": [orders.pk], "confirmed": action}
        )
        names = [row["name"] for row in Publication.objects.get(version=number).document["routes"]]
        assert ("orders" in names) == (action == "enable")


def test_a_shipped_route_cannot_be_deleted(admin: Client) -> None:
    orders = Route.objects.get(name="orders")

    assert admin.post(f"/admin/gateway/route/{orders.pk}/delete/", {"post": "yes"}).status_code == 403
    admin.post(
        "/admin/gateway/route/",
        {"action": "delete_selected", "_selected_action": [orders.pk], "post": "yes"},
    )
    assert Route.objects.filter(name="orders").exists()


def test_a_route_of_ones_own_can_be_deleted_and_that_is_published(admin: Client) -> None:
    admin.post("/admin/gateway/route/add/", form())
    things = Route.objects.get(name="things")
    admin.post(f"/admin/gateway/route/{things.pk}/delete/", {"post": "yes"})

    assert "things" not in [row["name"] for row in Publication.objects.get(version=3).document["routes"]]


def test_origins_for_everybody_with_credentials_are_refused(admin: Client) -> None:
    fields = {"origins": "*", "credentials": "on", "methods": ["GET"], "max_age_s": "600"}
    answer = admin.post("/admin/gateway/corssettings/add/", fields)
    assert "name the origins" in answer.content.decode()
    assert not CorsSettings.objects.exists()

    admin.post("/admin/gateway/corssettings/add/", fields | {"origins": "https://shop.test"})
    assert Publication.objects.get(version=2).document["cors"]["origins"] == ["https://shop.test"]
    assert admin.get("/admin/gateway/corssettings/add/").status_code == 403


@pytest.mark.parametrize("model", ["publication", "requestlog"])
@pytest.mark.parametrize("page", ["add/", "1/delete/"])
def test_what_happened_cannot_be_rewritten(admin: Client, model: str, page: str) -> None:
    recording.store([entry()])

    assert admin.post(f"/admin/gateway/{model}/{page}", {"post": "yes"}).status_code in (302, 403)
    assert (Publication.objects.count(), RequestLog.objects.count()) == (1, 1)


def test_the_admin_is_closed_to_everybody_else() -> None:
    answer = Client(SERVER_NAME="localhost").get("/admin/gateway/route/")

    assert (answer.status_code, answer.headers["location"]) == (
        302,
        "/admin/login/?next=/admin/gateway/route/",
    )


@pytest.mark.parametrize("page", ["route", "corssettings"])
def test_a_new_row_starts_with_every_method_chosen(admin: Client, page: str) -> None:
    shown = admin.get(f"/admin/gateway/{page}/add/").content.decode()

    assert len(re.findall(r'<input[^>]* name="methods"[^>]* checked', shown)) == len(snapshot.METHODS)


def test_server_errors_of_the_last_hour_are_counted_without_the_gateways_own_health(admin: Client) -> None:
    now = time.time()
    recording.store(
        [
            entry(at=now, status=503),
            entry(at=now, status=499),
            entry(at=now, status=503, path="/health/ready"),
            entry(at=now - 3700, status=500),
        ]
    )

    [tile] = [tile for tile in tiles() if tile.title == "Server errors in the last hour"]
    assert (tile.value, tile.is_alarming) == ("1", True)
