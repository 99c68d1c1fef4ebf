"""Routes of the admin become the table of all gateways, or are refused with a reason."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from gateway import recording
from gateway.edge.request_log import MAX_QUEUED, STORED_PER_SECOND, Entry, RequestLog
from gateway.edge.routes import snapshot
from gateway.models import CorsSettings, Publication, Route
from gateway.models import RequestLog as LoggedRequest
from gateway.publications import Publications
from gateway.tests.harness import row, table, until
from gateway.usecases.load_routes import load_routes
from gateway.usecases.publish import publish

DESIGNED = {
    "auth": ("/auth", "user-service", "/auth", "public"),
    "users": ("/api/users", "user-service", "/users", "signed_in"),
    "orders": ("/api/orders", "order-service", "/orders", "signed_in"),
    "products": ("/api/products", "product-service", "/products", "public_read_staff_write"),
    "payments": ("/api/payments", "payment-service", "/payments", "signed_in"),
    "dashboard": ("/api/user", None, "", "signed_in"),
}


def entry(**fields: Any) -> Entry:
    values: dict[str, Any] = {
        "at": datetime(2026, 11, 23, tzinfo=UTC).timestamp(),
        "correlation_id": "c",
        "method": "GET",
        "path": "/x",
        "route": "open",
        "status": 200,
        "duration_ms": 1.5,
        "client": "1.2.3.4",
        "user_id": "",
        "instance": "",
        "retries": 0,
        "bytes_in": 0,
        "bytes_out": 2,
        "code": "",
    }
    return Entry(**values | fields)


@pytest.mark.django_db
def test_the_shipped_routes_are_the_designs_table() -> None:
    loaded = load_routes()

    combined = ["aggregate dashboard", "aggregate overview"]
    assert (sorted(loaded.created), loaded.kept) == ([*combined, *sorted(DESIGNED)], [])
    published = snapshot.read(Publication.objects.get(version=loaded.version).document)
    assert {r.name: (r.prefix, r.service, r.service_path, r.access) for r in published.routes} == DESIGNED


@pytest.mark.django_db
def test_loading_again_creates_what_is_missing_and_keeps_what_was_edited() -> None:
    load_routes()
    Route.objects.filter(name="auth").update(rate_limit=7)
    Route.objects.filter(name="orders").delete()

    loaded = load_routes()
    assert loaded.created == ["orders"]
    assert [one.name for one in snapshot.read(publish("ada").document).aggregates] == [
        "dashboard",
        "overview",
    ]
    assert Route.objects.get(name="auth").rate_limit == 7


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[bad]\nprefix = "/admin/x"\nservice = "a-service"', "belongs to the gateway itself"),
        ('[bad]\nprefix = "/x"', "Choose either a service or a built-in handler"),
        ('[bad]\nprefix = "/x"\nservice = "a-service"\ncolour = "red"', "colour"),
        ("[bad", "cannot be read"),
        ('[bad]\nprefix = "/x"\nservice = "a-service"', "opens every address of the service"),
        ('[bad]\nprefix = "/x"\nservice = "registry"\nservice_path = "/x"', "leads to the registry"),
        ('[bad]\nprefix = "/x"\nservice = "a-service"\nservice_path = "/metrics"', "is never forwarded"),
    ],
)
def test_a_bad_file_is_refused_whole(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "routes.toml"
    file.write_text('[good]\nprefix = "/good"\nservice = "a-service"\nservice_path = "/good"\n' + text)

    with pytest.raises(CommandError, match=problem):
        call_command("load_routes", file=file)
    assert (Route.objects.count(), Publication.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_a_file_may_say_everything_that_a_route_knows(tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    file.write_text(
        '[beta]\nprefix = "/beta"\nservice = "user-service"\nservice_path = "/users"\nmatch = "exact"\n'
        'hosts = ["*.example.com"]\nheader_matches = {"x-version" = "2"}\nbad_token = 401\n'
        'limit_key = "address"\nbuffer_bytes = 10\nwebsocket = true\ncors = {origins = ["https://a.test"]}\n'
    )
    loaded = load_routes(file)

    [route] = snapshot.read(Publication.objects.get(version=loaded.version).document).routes
    assert (route.match, route.hosts, route.bad_token) == ("exact", ("*.example.com",), 401)
    assert [(one.name, one.value) for one in route.header_matches] == [("x-version", "2")]
    assert (route.limit_key, route.buffer_bytes, route.websocket) == ("address", 10, True)
    assert route.cors == snapshot.Cors(origins=("https://a.test",))


@pytest.mark.django_db
def test_publishing_the_same_again_makes_no_new_version() -> None:
    first = publish("ada")
    assert publish("bob").version == first.version
    Route.objects.create(name="new", prefix="/new", service="a-service")
    assert publish("bob").version == first.version + 1
    assert Publication.objects.get(version=first.version).document["routes"] == []


@pytest.mark.django_db
def test_a_disabled_route_is_not_published() -> None:
    Route.objects.create(name="off", prefix="/off", service="a-service", enabled=False)

    assert publish("ada").document["routes"] == []


@pytest.mark.django_db
def test_a_table_that_does_not_hold_is_not_published() -> None:
    before = publish("ada")
    for name in ("one", "two"):
        Route.objects.create(name=name, prefix="/same", service="a-service")

    with pytest.raises(snapshot.InvalidConfiguration, match="both take GET /same"):
        publish("ada")
    assert Publication.objects.first() == before


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"service": "", "builtin": ""},
        {"service": "a-service", "builtin": "dashboard"},
        {"timeout_s": 0},
        {"max_body_bytes": -1},
        {"rate_window_s": 0},
    ],
)
def test_the_database_itself_refuses_what_can_never_hold(fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Route.objects.create(**{"name": "bad", "prefix": "/bad", "service": "a-service"} | fields)


@pytest.mark.django_db
def test_origins_are_checked_when_they_are_edited() -> None:
    with pytest.raises(ValidationError, match="name the origins"):
        CorsSettings(origins=["*"], credentials=True).full_clean()
    CorsSettings(origins=["https://shop.test"], credentials=True).full_clean()


@pytest.mark.django_db(transaction=True)
def test_a_publication_is_delivered_within_a_second_of_its_commit() -> None:
    delivered: list[int] = []
    publications = Publications(lambda document: delivered.append(document["version"]))
    publications.start()
    try:
        load_routes()
        until(lambda: delivered == [1], within_s=1)
        Route.objects.filter(name="auth").update(enabled=False)
        publish("ada")
        until(lambda: delivered == [1, 2], within_s=1)
    finally:
        publications.stop()


@pytest.mark.django_db
def test_requests_are_stored_and_only_the_newest_are_kept() -> None:
    recording.store([entry(correlation_id=str(number), path="/x" * 5000) for number in range(10)])

    assert LoggedRequest.objects.count() == 10
    stored = LoggedRequest.objects.first()
    assert (stored.correlation_id, stored.at, len(stored.path)) == (
        "9",
        datetime(2026, 11, 23, tzinfo=UTC),
        2000,
    )
    moment = datetime(2026, 11, 23, tzinfo=UTC)
    assert recording.trim(most_rows=3, now=moment) == 7
    assert [row.correlation_id for row in LoggedRequest.objects.all()] == ["9", "8", "7"]
    LoggedRequest.objects.filter(correlation_id="8").update(
        at=moment - recording.KEPT_FOR - timedelta(seconds=1)
    )
    assert recording.trim(most_rows=3, now=moment) == 1
    assert [row.correlation_id for row in LoggedRequest.objects.all()] == ["9", "7"]


def test_a_flood_is_sampled_and_server_errors_are_kept() -> None:
    now = 0.0
    log = RequestLog(lambda batch: None, clock=lambda: now)

    assert [log.wants(200) for _ in range(STORED_PER_SECOND + 5)].count(True) == STORED_PER_SECOND
    assert log.sampled_out == 5
    assert log.wants(503)
    now = 1.0
    assert log.wants(200)


def test_a_queue_that_is_full_drops_and_counts() -> None:
    written: list[Entry] = []
    log = RequestLog(written.extend)
    for _ in range(MAX_QUEUED + 3):
        log.keep(entry())
    assert log.dropped == 3
    log.flush()
    assert len(written) == MAX_QUEUED


def test_a_database_in_trouble_costs_log_rows_and_nothing_else() -> None:
    def fail(batch: list[Entry]) -> None:
        raise OSError("no database")

    log = RequestLog(fail)
    log.keep(entry())
    log.flush()
    assert log.dropped == 1


@pytest.mark.django_db
def test_routes_of_the_version_before_ask_for_what_staff_has_become() -> None:
    load_routes()
    Route.objects.update(roles=[])
    for name, access in (("inner", "staff"), ("notes", "public_read_staff_write"), ("mine", "signed_in")):
        Route.objects.create(name=name, prefix=f"/{name}", service="a-service", access=access, roles=[])

    import_module("gateway.migrations.0002_roles").name_roles(apps, None)

    named = dict(Route.objects.exclude(roles=[]).values_list("name", "roles"))
    assert named == {
        "products": ["catalogue"],
        "inner": ["support", "catalogue"],
        "notes": ["support", "catalogue"],
    }


def test_a_table_that_was_published_before_routes_named_roles_is_read() -> None:
    old = {name: value for name, value in row("inner", "/inner", access="staff").items() if name != "roles"}
    [route] = snapshot.read(table(old)).routes
    assert route.roles == ("support", "catalogue")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"access": "staff", "roles": []}, "choose at least one role"),
        ({"access": "public_read_staff_write", "roles": []}, "choose at least one role"),
        ({"access": "public", "roles": ["support"]}, "asks for no role"),
        ({"access": "staff", "roles": ["owner"]}, "must be some of support, catalogue, operator"),
    ],
)
def test_roles_and_the_rule_that_asks_for_them_belong_together(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(snapshot.InvalidConfiguration, match=problem):
        snapshot.read(table(row("inner", "/inner", **fields)))


@pytest.mark.django_db
def test_a_file_may_insist_and_its_reader_is_kept_as_the_one_who_did(tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    file.write_text('[whole]\nprefix = "/whole"\nservice = "a-service"\ninsist = true\n')

    load_routes(file, by="ann")

    assert Route.objects.get().insisted_by == "ann"
