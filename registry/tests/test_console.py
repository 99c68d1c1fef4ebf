"""The console: only for staff, and what its first pages show."""

import asyncio
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse

from atoll.admin.theme import unfold_settings
from atoll.client.reply import Reply
from atoll.errors import Unavailable
from atoll.identity.oidc import admin_sessions, configuration
from atoll.identity.oidc.sessions import HELD
from atoll.testing.rights import member
from registry.console import search, stream
from registry.console.board.rows import service_rows
from registry.console.stream import Streams
from registry.http import pools
from registry.models import Instance, Lease

pytestmark = pytest.mark.django_db

PAGES = ("console:board", "console:search")


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(member("support"), backend="atoll.identity.backends.AccountBackend")
    return client


@pytest.mark.parametrize("name", PAGES)
def test_a_visitor_is_led_to_the_sign_in_and_back(client, name):
    answer = client.get(reverse(name) + "?q=o-1")
    assert answer.status_code == 302
    assert answer["Location"] == "/console/sign-in?next=" + reverse(name).replace("/", "%2F") + "%3Fq%3Do-1"
    assert b"o-1" not in answer.content


def test_the_sign_in_never_leads_to_another_site(staff):
    for elsewhere in (
        "https://evil.example/console/",
        "//evil.example/console/",
        "/admin/",
        "javascript:alert(1)",
    ):
        assert staff.get("/console/sign-in", {"next": elsewhere})["Location"] == "/console/"
    assert staff.get("/console/sign-in", {"next": "/console/search?q=1"})["Location"] == "/console/search?q=1"


def test_a_sign_in_under_the_gateways_address_returns_there(client, monkeypatch, settings):
    settings.ALLOWED_HOSTS = ["gateway.example"]
    monkeypatch.setenv("GATEWAY_PUBLIC_URL", "https://gateway.example")
    monkeypatch.setattr("atoll.identity.oidc.own_issuer._look", lambda: None)
    answer = client.get("/console/sign-in?next=/console/search", headers={"host": "gateway.example"})
    asked = parse_qs(urlsplit(answer["Location"]).query)
    assert asked["redirect_uri"] == ["https://gateway.example/console/oidc/callback"]
    assert client.get("/admin/login/", headers={"host": "gateway.example"}).status_code == 400


def test_a_failed_sign_in_leads_back_to_the_console(client):
    page = client.get("/console/oidc/callback?code=a&state=b")
    assert page.status_code == 400
    assert 'href="/console/sign-in?next=%2Fconsole%2F"' in page.content.decode()


def test_signing_out_ends_the_session(staff):
    assert staff.get("/console/sign-out").status_code == 405
    assert staff.post("/console/sign-out").status_code == 302
    assert staff.get("/console/").status_code == 302


def test_a_page_runs_only_scripts_of_its_own_and_has_no_inline_style(staff):
    answer = staff.get("/console/")
    policy = answer["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "no-store" in answer["Cache-Control"]


def test_an_unknown_page_is_an_error_page_for_people(staff):
    answer = staff.get("/console/nowhere")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")
    assert '<a href="/console/">To the console</a>' in answer.content.decode()


def test_the_board_shows_the_service_in_trouble_first(put):
    put("a-1", service="a-service")
    put("z-1", service="z-service")
    put("z-2", service="z-service")
    Instance.objects.filter(instance_id="z-2").update(is_drained=True)
    put("w-1", service="z-service.worker", port=0)
    Lease.objects.filter(instance__instance_id="w-1").update(expires_at=F("expires_at") - timedelta(hours=1))
    services = service_rows()
    assert [(row.name, row.state, row.healthy) for row in services] == [
        ("z-service", "down", 1),
        ("a-service", "up", 1),
    ]
    assert [(one.id, one.kind, one.status) for one in services[0].instances] == [
        ("z-1", "web", "healthy"),
        ("z-2", "web", "draining"),
        ("w-1", "worker", "unhealthy"),
    ]


def test_a_kind_of_process_that_deregistered_is_missed_on_the_board(put):
    def states():
        return {row.name: (row.state, row.is_bad) for row in service_rows()}

    put("a-1", service="a-service")
    put("aw-1", service="a-service.worker", port=0)
    put("z-1", service="z-service")
    put("zw-1", service="z-service.worker", port=0)
    put("plain-1", service="plain-service")
    Instance.objects.filter(instance_id__in=["a-1", "zw-1"]).delete()  # as a process that stops does
    assert states() == {
        "a-service": ("no web process", True),
        "z-service": ("no worker", True),
        "plain-service": ("up", False),
    }
    assert [row.name for row in service_rows()] == ["a-service", "z-service", "plain-service"]

    Instance.objects.all().delete()  # taken down for good
    assert set(states().values()) == {("no instance", False)}


ID = "0199a1b2-cdef-7abc-8def-abcdefabcdef"


@pytest.fixture
def services(monkeypatch):
    """The services, of which each knows the addresses in ``known``, with their answers."""

    class Known(dict):
        def __call__(self, service):
            self.service = service
            return self

        def get(self, path, params=None):
            self.asked.append(path)
            if self.is_away:
                raise Unavailable("user-service", "does not answer")
            found = super().get((path, (params or {}).get("id")))
            return Reply("", 200 if found is not None else 404, {}, found or b"{}", "")

    known = Known()
    known.asked, known.is_away = [], False
    monkeypatch.setattr(search, "_client", known)
    for name in ("ORDERS", "USERS", "PAYMENTS", "PRODUCTS", "REGISTRY"):
        monkeypatch.setenv(f"{name}_ADMIN_URL", f"https://{name.lower()}.example/admin/")
    return known


def titles(answer):
    return {hit.kind: hit.url for hit in answer.context["hits"]}


def test_a_search_opens_the_only_thing_with_an_id(staff, services):
    services[f"/products/{ID}", None] = b"{}"
    assert staff.get("/console/search", {"q": ID})["Location"] == (
        f"https://products.example/admin/products/product/{ID}/change/"
    )


def test_a_search_offers_what_only_an_admin_may_tell(staff, services):
    shown = titles(staff.get("/console/search", {"q": ID}))
    assert shown == {
        "Orders": f"https://orders.example/admin/orders/order/?q={ID}",
        "Payments": f"https://payments.example/admin/payments/payment/?q={ID}",
    }
    services.asked.clear()
    shown = titles(staff.get("/console/search", {"q": "ada@x.example"}))
    assert shown.keys() == {"Orders", "Accounts", "Products"}
    assert shown["Accounts"] == "https://users.example/admin/users/user/?q=ada%40x.example"
    assert services.asked == []


def test_a_search_finds_messages_by_their_id_and_correlation_id(staff, services):
    services["/bus/messages", "work-7"] = b'{"steps": [{}, {}]}'
    shown = titles(staff.get("/console/search", {"q": "work-7"}))
    assert shown["Messages"].endswith("/admin/atoll_bus/where/?q=work-7")


def test_a_search_lives_without_the_services(staff, services):
    services.is_away = True
    assert titles(staff.get("/console/search", {"q": ID})).keys() == {"Orders", "Payments"}


def test_a_visitor_makes_the_registry_ask_nobody(client, services):
    assert client.get("/console/search", {"q": ID}).status_code == 302
    assert services.asked == []


def test_a_search_for_the_id_of_an_instance_opens_it(staff, put, monkeypatch, services):
    monkeypatch.setenv("REGISTRY_ADMIN_URL", "https://ops.example/registry/admin")
    put("o-1")
    put("o-10")
    listed = staff.get("/console/search", {"q": "o-1"})
    assert [hit.title for hit in listed.context["hits"] if hit.is_known] == ["o-1", "o-10"]
    found = staff.get("/console/search", {"q": "o-10"})
    pk = Instance.objects.get(instance_id="o-10").pk
    assert found["Location"] == f"https://ops.example/registry/admin/registry/instance/{pk}/change/"


def test_a_search_that_is_too_long_is_refused_in_words(staff):
    answer = staff.get("/console/search", {"q": "x" * 5000})
    assert answer.context["problem"] == "A search has at most 200 characters."
    assert answer.context["hits"] == []


def test_the_menu_of_an_admin_leads_to_the_console_and_to_the_other_admins(monkeypatch):
    def links():
        return {entry["title"]: entry["link"] for entry in unfold_settings("Atoll x")["SITE_DROPDOWN"]}

    monkeypatch.delenv("ORDERS_PUBLIC_URL")
    assert not {"Console", "Orders"} & links().keys()
    monkeypatch.setenv("CONSOLE_URL", "https://ops.example/console")
    monkeypatch.setenv("ORDERS_ADMIN_URL", "https://orders.example/admin")
    assert links()["Console"] == "https://ops.example/console/"
    assert links()["Orders"] == "https://orders.example/admin/"


class Browser:
    """Opens a stream as a browser does, over ASGI; leaves after so many events."""

    def __init__(self, streams, cookie, leave_after):
        self.streams, self.cookie, self.leave_after = streams, cookie, leave_after
        self.status, self.events = 0, []
        self._left = asyncio.Event()

    async def open(self, path="/console/stream/board", method="GET"):
        scope = {"path": path, "method": method, "headers": [(b"cookie", self.cookie.encode())]}
        await self.streams.answer(scope, self._receive, self._send)
        return self

    async def _receive(self):
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["body"]:
            self.events.append(message["body"])
            if len(self.events) >= self.leave_after:
                self._left.set()


@pytest.fixture
def cookie(client):
    client.force_login(member("support"), backend="atoll.identity.backends.AccountBackend")
    yield f"registry_session={client.cookies['registry_session'].value}"
    pools.close()


@pytest.mark.django_db(transaction=True)
def test_all_streams_of_a_page_share_one_rendering(cookie, monkeypatch):
    rendered = []

    def render():
        rendered.append(1)
        return f"<p>\n{len(rendered)}</p>"

    monkeypatch.setitem(stream._fragments, "board", render)

    async def watch():
        streams = Streams(pools.CONSOLE, every_s=0.01)
        browsers = [Browser(streams, cookie, 3) for _ in range(5)]
        await asyncio.gather(*(browser.open() for browser in browsers))
        return browsers, streams

    browsers, streams = asyncio.run(watch())
    assert [browser.status for browser in browsers] == [200] * 5
    assert all(event.startswith(b"data: <p>\ndata: ") and event.endswith(b"</p>\n\n")
               for browser in browsers for event in browser.events)  # fmt: skip
    assert len(rendered) < sum(len(browser.events) for browser in browsers)
    assert streams.count == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("given", "path", "method", "status"),
    [
        ("", "/console/stream/board", "GET", 403),
        ("registry_session=made-up", "/console/stream/board", "GET", 403),
        (None, "/console/stream/nowhere", "GET", 404),
        (None, "/console/stream/board", "POST", 405),
    ],
)
def test_a_stream_is_for_staff_alone(cookie, given, path, method, status):
    browser = asyncio.run(
        Browser(Streams(pools.CONSOLE), cookie if given is None else given, 1).open(path, method)
    )
    assert browser.status == status
    assert b"<" not in b"".join(browser.events)


@pytest.mark.django_db(transaction=True)
def test_a_stream_ends_with_the_sign_in_behind_its_session(cookie, client, monkeypatch):
    """Somebody who signs out at another admin leaves a session here, which ends with the next look."""
    session = client.session
    session[HELD] = {"issuer": configuration.issuer(), "subject": "s", "sid": "sid-1", "token": "t"}
    session.save()
    ended = []
    monkeypatch.setattr(admin_sessions, "sign_in_mark", lambda sid: sid if sid in ended else None)
    monkeypatch.setattr(admin_sessions, "_ask_users", lambda sid: True)
    monkeypatch.setattr(stream, "CHECK_SESSION_EVERY_S", 0.0)
    monkeypatch.setitem(stream._fragments, "board", lambda: "<p>")

    async def watch():
        streams = Streams(pools.CONSOLE, every_s=0.01)
        browser = Browser(streams, cookie, 1_000_000)
        opened = asyncio.ensure_future(browser.open())
        while not browser.events:
            await asyncio.sleep(0.01)
        ended.append("sid-1")
        await asyncio.wait_for(opened, 10)
        return await Browser(streams, cookie, 1).open()

    assert asyncio.run(watch()).status == 403


@pytest.mark.django_db(transaction=True)
def test_a_stream_ends_with_its_session_and_with_the_process(cookie, client, monkeypatch):
    monkeypatch.setattr(stream, "CHECK_SESSION_EVERY_S", 0.0)
    client.post("/console/sign-out")

    async def signed_out_meanwhile():
        answers = iter([True, False])
        monkeypatch.setattr(stream, "is_staff", lambda headers: next(answers))
        return await Browser(Streams(pools.CONSOLE, every_s=0.01), cookie, 100).open()

    assert asyncio.run(signed_out_meanwhile()).events == []
    monkeypatch.setattr(stream, "is_staff", lambda headers: True)

    async def drained():
        streams = Streams(pools.CONSOLE, every_s=0.01)
        browser = Browser(streams, cookie, 100)
        opened = asyncio.ensure_future(browser.open())
        while not browser.events:
            await asyncio.sleep(0)
        streams.close()
        await opened
        refused = await Browser(streams, cookie, 100).open()
        return refused.status

    assert asyncio.run(drained()) == 503
