"""A route with a risk is refused, or its editor is asked first."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from atoll import conf
from atoll.discovery import RegistryClient
from atoll.errors import Unavailable
from atoll.identity.roles import ADMIN, OPERATOR
from atoll.testing.rights import signed_in
from gateway.known import known_services
from gateway.models import Publication, Route
from gateway.risks import risks
from gateway.tests.test_admin import form
from gateway.usecases.load_routes import load_routes

pytestmark = pytest.mark.django_db

STAN = "Stan Staff (stan@example.com)"
ADD = "/admin/gateway/route/add/"
REGISTRY = {"service": "registry", "service_path": "/services"}
WHOLE = {"service": "user-service", "service_path": ""}
UNKNOWN = {"service": "thing-servise", "service_path": "/things"}


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    names = frozenset({"thing-service", "user-service", "registry"})
    for module in ("routes", "route_form"):
        monkeypatch.setattr(f"gateway.admin.{module}.known_services", lambda: names)
    load_routes()


def add(client: Client, **fields: Any) -> str:
    return client.post(ADD, form(**fields, _publish=""), follow=True).content.decode()


def nothing_changed() -> bool:
    return not Route.objects.filter(name="things").exists() and Publication.objects.count() == 1


@pytest.mark.parametrize("fields", [REGISTRY, WHOLE])
def test_an_operator_is_refused_a_route_that_opens_too_much_even_when_insisting(
    fields: dict[str, str],
) -> None:
    operator = signed_in(OPERATOR)

    assert "Only an administrator may insist on it." in add(operator, **fields)
    assert "Only an administrator may insist on it." in add(operator, insist="on", **fields)
    assert nothing_changed()


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        (REGISTRY, "It leads to the registry"),
        (WHOLE, "it opens every address of the service"),
        (UNKNOWN, "Nobody knows a service &#x27;thing-servise&#x27;"),
    ],
)
def test_an_administrator_is_warned_first_and_who_insisted_is_kept(
    fields: dict[str, str], warning: str
) -> None:
    admin = signed_in(ADMIN)

    page = add(admin, **fields)
    assert warning in page
    assert "Tick this if you mean it." in page
    assert nothing_changed()

    assert "Published as version 2" in add(admin, insist="on", **fields)
    assert Route.objects.get(name="things").insisted_by == STAN
    assert any("insisted: " in entry.change_message for entry in LogEntry.objects.all())


def test_an_operator_may_insist_on_a_name_that_nobody_knows_yet() -> None:
    operator = signed_in(OPERATOR)

    assert "answers 503 until one registers" in add(operator, **UNKNOWN)
    assert nothing_changed()
    assert "Published as version 2" in add(operator, insist="on", **UNKNOWN)


def test_what_was_insisted_on_is_asked_again_only_when_it_opens_something_else() -> None:
    admin, operator = signed_in(ADMIN), Client()
    add(admin, insist="on", **WHOLE)
    route = Route.objects.get(name="things")
    operator = signed_in(OPERATOR)
    page = f"/admin/gateway/route/{route.pk}/change/"

    assert operator.post(page, form(**WHOLE, timeout_s="7")).status_code == 302
    refused = operator.post(page, form(**WHOLE, timeout_s="7", access="public"))

    assert "Only an administrator may insist on it." in refused.content.decode()
    route.refresh_from_db()
    assert (route.timeout_s, route.access, route.insisted_by) == (7, "signed_in", STAN)


def test_switching_such_a_route_on_from_the_list_is_refused() -> None:
    Route.objects.create(name="things", prefix="/things", service="registry", enabled=False)
    route = Route.objects.get(name="things")

    chosen = {"action": "enable", "_selected_action": [route.pk]}
    page = signed_in(ADMIN).post("/admin/gateway/route/", chosen, follow=True).content.decode()

    assert "It leads to the registry" in page
    route.refresh_from_db()
    assert (route.enabled, Publication.objects.count()) == (False, 1)


@pytest.mark.parametrize(
    "path", ["/metrics", "/schema", "/docs", "/admin", "/bus/messages", "/health/ready", "/static"]
)
def test_an_inner_path_of_a_service_is_refused_to_administrators_too(path: str) -> None:
    page = add(signed_in(ADMIN), service="user-service", service_path=path, insist="on")

    assert "is never forwarded" in page
    assert nothing_changed()


def test_the_form_offers_the_known_services() -> None:
    page = signed_in(OPERATOR).get(ADD).content.decode()

    assert '<option value="thing-service">' in page
    assert '<option value="registry">' not in page


def test_known_are_the_projects_and_what_the_registry_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    projects = {one.service for one in conf.projects().values()}
    monkeypatch.setattr(
        "gateway.known.RegistryClient", lambda project: _Registry(["new-service", "a.worker"])
    )
    assert known_services() == projects | {"new-service"}

    monkeypatch.setattr("gateway.known.RegistryClient", lambda project: _Registry(None))
    assert known_services() == projects


class _Registry:
    def __init__(self, names: list[str] | None) -> None:
        self._names = names

    def services(self) -> list[str]:
        if self._names is None:
            raise Unavailable("registry", "does not answer")
        return self._names


def test_the_names_are_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_SERVICE_SECRET", "the secret of the gateway's own test project")
    client, asked = RegistryClient("gateway", url="http://127.0.0.1:9"), []

    class Reply:
        def __init__(self, names: list[str]) -> None:
            self.names = names

        def json(self) -> list[dict[str, str]]:
            return [{"name": name} for name in self.names]

    pages = [[f"s{number}" for number in range(100)], ["last-service"]]

    def ask(method: str, path: str, *, params: dict[str, str]) -> Reply:
        asked.append((path, params["page"]))
        return Reply(pages[len(asked) - 1])

    monkeypatch.setattr(client, "_ask", ask)

    assert client.services() == [*pages[0], "last-service"]
    assert asked == [("/services", "1"), ("/services", "2")]


def test_an_exact_path_without_service_path_opens_one_address_and_no_whole_service() -> None:
    assert risks(Route(service="a-service", match="exact"), ["a-service"]) == []
    [risk] = risks(Route(service="a-service"), ["a-service"])
    assert risk.needs_admin
