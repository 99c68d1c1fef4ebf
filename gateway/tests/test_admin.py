"""The admin: an invalid table is refused, and no form field can be forged."""

import re
import time
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from atoll.admin.tiles import tiles
from gateway import recording
from gateway.edge.routes import snapshot
from gateway.models import CorsSettings, Publication, RequestLog, Route
from gateway.tests.test_control_plane import entry
from gateway.usecases.load_routes import load_routes
from gateway.usecases.publish import draft

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
        "match": "prefix",
        "limit_key": "user",
        "bad_token": "403",
        "buffer_bytes": "65536",
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
        "gateway/aggregate/",
        "gateway/aggregate/add/",
        "gateway/corssettings/",
        "gateway/corssettings/add/",
        "gateway/publication/",
        "gateway/publication/1/change/",
        "gateway/review/",
        "gateway/requestlog/",
        "gateway/requestlog/?status__gte=500",
        "gateway/requestlog/?q=/x&route=open&status=200",
    ],
)
def test_every_page_opens(admin: Client, path: str) -> None:
    recording.store([entry()])

    assert admin.get(f"/admin/{path}").status_code == 200


def test_a_new_route_can_be_published_with_its_save(admin: Client) -> None:
    answer = admin.post("/admin/gateway/route/add/", form(_publish=""))

    assert answer.status_code == 302
    latest = Publication.objects.get(version=2)
    assert latest.by == "root@example.com"
    (row,) = [row for row in latest.document["routes"] if row["name"] == "things"]
    assert (row["methods"], row["service_path"]) == (["GET", "POST"], "/things")


def test_hosts_and_header_fields_are_published_as_they_were_typed(admin: Client) -> None:
    typed = {"hosts": "shop.test, *.shop.test", "header_matches": "X-Version: 2\r\n\r\nX-Beta: a: b"}
    admin.post("/admin/gateway/route/add/", form(**typed, match="exact", bad_token="401", _publish=""))

    [row] = [r for r in Publication.objects.get(version=2).document["routes"] if r["name"] == "things"]
    assert row["hosts"] == ["shop.test", "*.shop.test"]
    assert row["header_matches"] == {"x-version": "2", "x-beta": "a: b"}
    assert (row["match"], row["bad_token"]) == ("exact", 401)
    page = admin.get(f"/admin/gateway/route/{Route.objects.get(name='things').pk}/change/")
    assert "x-beta: a: b\nx-version: 2" in page.content.decode()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"prefix": "/admin/x"}, "belongs to the gateway itself"),
        ({"prefix": "/docs"}, "belongs to the gateway itself"),
        ({"prefix": "/openapi.json"}, "belongs to the gateway itself"),
        ({"prefix": "/a/../b"}, "must look like /api/things"),
        ({"service": ""}, "choose either a service or a built-in handler"),
        ({"builtin": "aggregates"}, "choose either a service or a built-in handler"),
        ({"timeout_s": "0"}, "time-out must be above 0"),
        ({"methods": ["TRACE"]}, "Select a valid choice"),
        ({"hosts": "shop.test, http://x"}, "is no host"),
        ({"header_matches": "X-Version 2"}, "is no header field, such as X-Version: 2"),
        ({"header_matches": "X-A: 1\nx-a: 2"}, "x-a is here twice"),
        ({"header_matches": "X-User-ID: 1"}, "decides about this field itself"),
        ({"buffer_bytes": "2000000"}, "between 0 and 1048576 bytes"),
        ({"bad_token": "500"}, "Select a valid choice"),
        ({"cors_choice": "own", "cors_origins": "shop.test"}, "is no origin"),
        ({"cors_choice": "own", "cors_origins": "*", "cors_credentials": "on"}, "name the origins"),
        ({"cors_choice": "own", "cors_headers": "X A"}, "is no header name"),
        ({"cors_choice": "own", "cors_max_age_s": "-1"}, "greater than or equal to 0"),
        ({"cors_choice": "none"}, "Select a valid choice"),
    ],
)
def test_a_bad_route_is_refused_with_its_reason(admin: Client, fields: dict[str, Any], problem: str) -> None:
    answer = admin.post("/admin/gateway/route/add/", form(**fields))

    assert (answer.status_code, problem in answer.content.decode()) == (200, True)
    assert not Route.objects.filter(name="things").exists()
    assert Publication.objects.count() == 1


OWN_CORS = {
    "cors_choice": "own",
    "cors_origins": "https://a.test, https://b.test",
    "cors_methods": ["GET"],
    "cors_headers": "X-A",
    "cors_exposed": "",
    "cors_credentials": "on",
    "cors_max_age_s": "5",
}


def test_cross_origin_rules_of_a_route_are_kept_changed_and_given_up(admin: Client) -> None:
    admin.post("/admin/gateway/route/add/", form(**OWN_CORS))
    route = Route.objects.get(name="things")
    assert route.cors == {
        "origins": ["https://a.test", "https://b.test"], "methods": ["GET"], "headers": ["X-A"],
        "exposed": [], "credentials": True, "max_age_s": 5,
    }  # fmt: skip
    page = f"/admin/gateway/route/{route.pk}/change/"
    assert 'value="https://a.test,https://b.test"' in admin.get(page).content.decode()

    admin.post(page, form(cors_choice="own"))
    route.refresh_from_db()
    assert (route.cors["origins"], route.cors["max_age_s"]) == ([], 600)
    admin.post(page, form(cors_choice="shared", cors_origins="rubbish"))
    route.refresh_from_db()
    assert route.cors is None


def test_routes_are_found_by_host_and_service(admin: Client) -> None:
    for name, hosts in (("one", ["a.test", "*.b.test"]), ("two", ["a.test"])):
        Route.objects.create(
            name=name, prefix=f"/{name}", service="a-service", service_path="/x", hosts=hosts
        )

    def found(query: str) -> set[str]:
        shown = admin.get(f"/admin/gateway/route/?{query}").context["cl"].result_list
        return {route.name for route in shown}

    assert found("host=a.test") == {"one", "two"}
    assert found("host=*.b.test") == {"one"}
    assert found("host=-") == {*Route.objects.filter(hosts=[]).values_list("name", flat=True)}
    assert found("service=a-service") == {"one", "two"}
    assert "a.test, *.b.test · /one" in admin.get("/admin/gateway/route/").content.decode()


def test_support_sees_the_rules_of_a_route_and_no_field_for_them(admin: Client) -> None:
    admin.post("/admin/gateway/route/add/", form(**OWN_CORS))
    looker = User.objects.create_user("looker@example.com", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_route"))
    admin.force_login(looker)
    page = admin.get(f"/admin/gateway/route/{Route.objects.get(name='things').pk}/change/").content.decode()

    assert "Its own, for https://a.test, https://b.test" in page
    assert 'name="cors_origins"' not in page


def test_a_route_that_collides_with_another_is_refused_and_nothing_changes(admin: Client) -> None:
    answer = admin.post("/admin/gateway/route/add/", form(prefix="/api/orders", methods=snapshot.METHODS))

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


def test_disabling_and_enabling_change_the_draft(admin: Client) -> None:
    orders = Route.objects.get(name="orders")
    for action in ("disable", "enable"):
        admin.post(
            "/admin/gateway/route/", {"action": action, "_selected_action": [orders.pk], "confirmed": action}
        )
        names = [row["name"] for row in draft().document["routes"]]
        assert ("orders" in names) == (action == "enable")
    assert Publication.objects.count() == 1


def test_a_shipped_route_cannot_be_deleted(admin: Client) -> None:
    orders = Route.objects.get(name="orders")

    assert admin.post(f"/admin/gateway/route/{orders.pk}/delete/", {"post": "yes"}).status_code == 403
    admin.post(
        "/admin/gateway/route/",
        {"action": "delete_selected", "_selected_action": [orders.pk], "post": "yes"},
    )
    assert Route.objects.filter(name="orders").exists()


def test_a_route_of_ones_own_can_be_deleted(admin: Client) -> None:
    admin.post("/admin/gateway/route/add/", form(_publish=""))
    things = Route.objects.get(name="things")
    admin.post(f"/admin/gateway/route/{things.pk}/delete/", {"post": "yes"})

    assert [change.text for change in draft().changes()] == ["things: removed"]


def test_origins_for_everybody_with_credentials_are_refused(admin: Client) -> None:
    fields = {"origins": "*", "credentials": "on", "methods": ["GET"], "max_age_s": "600"}
    answer = admin.post("/admin/gateway/corssettings/add/", fields)
    assert "name the origins" in answer.content.decode()
    assert not CorsSettings.objects.exists()

    admin.post("/admin/gateway/corssettings/add/", fields | {"origins": "https://shop.test", "_publish": ""})
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
