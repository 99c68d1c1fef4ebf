"""The console's page of logs: who may read it, what it finds, and how it follows."""

import asyncio
import json
import re
from html import unescape
from itertools import chain
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone

from atoll.dev import logpages
from atoll.testing.rights import member
from registry.console.logs import source, tail
from registry.console.logs.tail import Tails
from registry.console.logs.views import SHOWN
from registry.http import pools
from registry.models import Journey, Span

pytestmark = pytest.mark.django_db

ID = "01a22399-1cbd-76d4-ba0f-a320b066afcb"


def line(second: float, event: str, service: str = "order-service", **more: object) -> str:
    minute, rest = divmod(second, 60)
    time = f"2026-11-23T10:{int(minute):02}:{rest:09.6f}Z"
    origin = {"service": service, "instance": f"{service}-1", "process": "serve"}
    return json.dumps({"time": time, "level": "info", **origin, "event": event} | more) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "orders.log").write_text(line(1, "placed", correlation_id=ID) + line(3, "confirmed"))
    (folder / "payments.log").write_text(line(2, "charged", "payment-service", level="warning"))
    return folder


def signed_in(client: Client, role: str) -> Client:
    client.force_login(member(role), backend="atoll.identity.backends.AccountBackend")
    return client


@pytest.fixture
def reader(client: Client) -> Client:
    return signed_in(client, "operator")


def events(html: str) -> list[str]:
    found = re.findall(r'<span class="text">(.*?)(?: <|</span>)', html)
    return [unescape(text) for text in found]


def shown(client: Client, **query: str) -> list[str]:
    answer = client.get("/console/logs", query)
    assert answer.status_code == 200
    return events(answer.content.decode())


@pytest.mark.parametrize(
    ("role", "status"), [("support", 200), ("operator", 200), ("admin", 200), ("catalogue", 403)]
)
def test_the_lines_are_for_roles_that_may_see_customers(client, folder, role, status):
    answer = signed_in(client, role).get("/console/logs")
    assert answer.status_code == status
    assert ("placed" in answer.content.decode()) is (status == 200)
    assert ("/console/logs" in client.get("/console/topology").content.decode()) is (status == 200)


def test_a_visitor_is_led_to_the_sign_in(client, folder):
    answer = client.get("/console/logs?text=placed")
    assert answer["Location"] == "/console/sign-in?next=%2Fconsole%2Flogs%3Ftext%3Dplaced"


def test_all_processes_are_shown_in_order_of_time(reader, folder):
    assert shown(reader) == ["placed", "charged", "confirmed"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"process": "payments"}, ["charged"]),
        ({"service": "order-service"}, ["placed", "confirmed"]),
        ({"instance": "payment-service-1"}, ["charged"]),
        ({"level": "warning"}, ["charged"]),
        ({"correlation": ID}, ["placed"]),
        ({"text": "CONF"}, ["confirmed"]),
        ({"since": "2026-11-23T10:00:02"}, ["charged", "confirmed"]),
        ({"until": "2026-11-23T10:00:02Z"}, ["placed", "charged"]),
        ({"since": "1s"}, []),
    ],
)
def test_a_filter_selects_lines(reader, folder, query, expected):
    assert shown(reader, **query) == expected


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            {"process": "../../etc/passwd"},
            "There is no process “../../etc/passwd”. There are: orders, payments.",
        ),
        ({"service": "shop"}, "There is no service “shop”."),
        ({"level": "loud"}, "There is no level “loud”."),
        ({"since": "yesterday"}, "From: “yesterday” is no time."),
        ({"until": "2026-13-01"}, "To: “2026-13-01” is no time."),
        ({"since": "1d", "until": "2d"}, "The time “From” is later than the time “To”."),
        ({"before": "x~y"}, "The place in this address is none."),
        ({"text": "x" * 201}, "A filter has at most 200 characters."),
    ],
)
def test_a_wrong_filter_is_said_and_stays_in_its_field(reader, folder, query, said):
    answer = reader.get("/console/logs", query)
    page = unescape(answer.content.decode())
    assert answer.status_code == 400
    assert said in page
    assert events(page) == []
    for name, value in query.items():
        if name in ("since", "until"):
            assert f'value="{value}"' in page


@pytest.mark.parametrize("text", ["\x00", "\ud800".encode("utf-8", "surrogatepass"), "%", "’"])
def test_no_text_breaks_the_page(reader, folder, text):
    for name in ("text", "correlation", "instance", "since", "process", "before"):
        assert reader.get("/console/logs", {name: text}).status_code in (200, 400)


def test_a_line_is_shown_and_never_run(reader, folder):
    hostile = '<script>alert(1)</script>\x1b[2J\u202e"'
    (folder / "orders.log").write_text(
        line(1, hostile, path=hostile, correlation_id="/../admin", time_s="\ud800")
        + line(2, "first\nsecond", exc_info="Traceback\n  <b>"),
    )
    page = reader.get("/console/logs").content.decode()
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert "\\x1b[2J\\u202e" in page
    assert "/console/journeys/" not in page.partition("log-lines")[2]
    assert "second\nTraceback\n  &lt;b&gt;" in page


def test_a_line_leads_to_its_journey_and_to_the_lines_around_it(reader, folder):
    page = unescape(reader.get("/console/logs").content.decode())
    assert f'href="/console/journeys/{ID}"' in page
    around = re.search(r'class="at" href="\?since=([^"]*)&until=([^"]*)"', page)
    assert around
    assert around.groups() == ("2026-11-23T09:59:59.000Z", "2026-11-23T10:00:03.000Z")


def test_older_and_newer_pages_show_every_line_once(reader, folder):
    names = [str(number) for number in range(2 * SHOWN + 50)]
    for path in folder.iterdir():
        path.unlink()
    for part in (0, 1):
        lines = [line(int(name) // 3, name) for name in names[part::2]]
        (folder / f"p{part}.log").write_text("".join(lines))

    def walk(address: str, button: str) -> list[list[str]]:
        pages = []
        while address:
            html = unescape(reader.get(f"/console/logs{address}").content.decode())
            pages.append(events(html))
            found = re.search(rf'href="([^"]*)">{button}</a>', html)
            address = found[1] if found else ""
            walk.html = html
        return pages

    back = walk("?service=order-service", "Older")
    assert [len(page) for page in back] == [SHOWN, SHOWN, 50]
    assert sorted(chain(*back), key=int) == names
    newer = re.search(r'href="([^"]*)">Newer</a>', walk.html)
    assert newer
    forth = walk(newer[1], "Newer")
    assert [*chain(*back[::-1])] == [*back[-1], *chain(*forth)]


def test_a_search_that_reads_too_much_says_how_far_it_came(reader, folder, monkeypatch):
    monkeypatch.setattr(
        logpages.newest, "__kwdefaults__", logpages.newest.__kwdefaults__ | {"max_bytes": 200_000}
    )
    (folder / "orders.log").write_text("".join(line(n, str(n), padding="x" * 400) for n in range(2_000)))
    page = unescape(reader.get("/console/logs", {"text": "placed"}).content.decode())
    assert "No line was found yet." in page
    assert re.search(r"and reached 2026-11-23T10:\d\d:\d\d\.000000Z", page)
    assert ">Older</a>" in page


def test_production_names_the_log_store(reader, folder, monkeypatch, settings):
    monkeypatch.setenv("ATOLL_ENV", "production")
    page = unescape(reader.get("/console/logs").content.decode())
    assert "placed" not in page
    assert "LOGS_URL" in page
    settings.LOGS_URL = 'https://logs.example/?q={"id":"{correlation_id}"}&s={service}'
    page = unescape(reader.get("/console/logs", {"correlation": 'a"b&c'}).content.decode())
    assert 'href="https://logs.example/?q={"id":"a%22b%26c"}&s="' in page


def test_the_log_store_is_a_page_of_the_web(monkeypatch):
    from importlib import reload

    from registry import settings

    monkeypatch.setenv("LOGS_URL", "javascript:alert(1)")
    with pytest.raises(ImproperlyConfigured, match="LOGS_URL"):
        reload(settings)


def test_a_journey_has_its_lines_beside_it(client, folder):
    at = timezone.now().replace(year=2026, month=11, day=23, hour=10, minute=0, second=1)
    span = Span(
        trace_id=f"{1:032x}", span_id=f"{1:016x}", correlation_id=ID, service="order-service", instance="o",
        process="serve", name="POST /orders", kind="server", started_at=at, duration_us=10, error="",
    )  # fmt: skip
    span.save()
    Journey.objects.create(
        trace_id=span.trace_id, correlation_id=ID, name="POST /orders", service="order-service",
        started_at=at, ended_at=at,
    )  # fmt: skip
    page = unescape(signed_in(client, "support").get(f"/console/journeys/{ID}").content.decode())
    assert events(page) == ["placed"]
    assert f"/console/logs?correlation={ID}&since=2026-11-23T" in page.replace("%3A", ":")
    page = signed_in(client, "catalogue").get(f"/console/journeys/{ID}").content.decode()
    assert "POST /orders" in page
    assert "placed" not in page


class Page:
    """An open page, over ASGI."""

    def __init__(self, tails: Tails, cookie: str) -> None:
        self.tails, self.cookie = tails, cookie
        self.status, self.events = 0, []
        self._left = asyncio.Event()

    async def open(self, query: str = "", method: str = "GET") -> "Page":
        scope = {
            "path": "/console/stream/logs",
            "method": method,
            "query_string": query.encode(),
            "headers": [(b"cookie", self.cookie.encode())],
        }
        await self.tails.answer(scope, self._receive, self._send)
        return self

    async def has(self, name: str) -> str:
        """The HTML of all events of this name, once there is one."""
        while not any(event.startswith(f"event: {name}\n") for event in self.events):
            await asyncio.sleep(0)
        found = [event for event in self.events if event.startswith(f"event: {name}\n")]
        return "".join(found).replace("data: ", "")

    def leave(self) -> None:
        self._left.set()

    async def _receive(self):
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message["body"]:
            self.events.append(message["body"].decode())


@pytest.fixture
def cookie(client):
    signed_in(client, "operator")
    yield f"registry_session={client.cookies['registry_session'].value}"
    pools.close()


@pytest.mark.django_db(transaction=True)
def test_a_page_begins_with_the_newest_lines_and_gets_each_new_one_once(cookie, folder):
    async def watch():
        tails = Tails(pools.LOGS, every_s=0.01)
        everything, warnings = Page(tails, cookie), Page(tails, cookie)
        opened = [
            asyncio.ensure_future(everything.open()),
            asyncio.ensure_future(warnings.open("level=warning")),
        ]
        first = events(await everything.has("list")), events(await warnings.has("list"))
        with (folder / "orders.log").open("a") as file:
            file.write(line(4, "shipped") + line(5, "late", level="warning"))
        (folder / "users.log").write_text(line(6, "greeted", "user-service", level="error"))
        while "greeted" not in await everything.has("lines") or "greeted" not in await warnings.has("lines"):
            await asyncio.sleep(0)
        for page in (everything, warnings):
            page.leave()
        await asyncio.gather(*opened)
        return first, events(await everything.has("lines")), events(await warnings.has("lines")), tails.count

    first, all_new, new_warnings, left = asyncio.run(watch())
    assert first == (["placed", "charged", "confirmed"], ["charged"])
    assert (all_new, new_warnings, left) == (["shipped", "late", "greeted"], ["late", "greeted"], 0)


@pytest.mark.django_db(transaction=True)
def test_a_page_that_gets_too_many_lines_says_how_many_it_misses(cookie, folder, monkeypatch):
    monkeypatch.setattr(tail, "MAX_WAITING_LINES", 3)

    async def watch():
        page = Page(Tails(pools.LOGS, every_s=0.01), cookie)
        opened = asyncio.ensure_future(page.open())
        await page.has("list")
        with (folder / "orders.log").open("a") as file:
            file.write("".join(line(4, str(number)) for number in range(10)))
        html = await page.has("lines")
        page.leave()
        await opened
        return html

    html = asyncio.run(watch())
    assert events(html) == ["0", "1", "2"]
    assert "7 more lines came at this moment" in html


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("given", "query", "method", "status"),
    [
        ("", "", "GET", 403),
        (None, "", "POST", 405),
        (None, "since=yesterday", "GET", 400),
        (None, "until=1m", "GET", 400),
        (None, "text=" + "x" * 9_000, "GET", 400),
        (None, "&".join(["a=1"] * 60), "GET", 400),
        (None, "process=..%2F..%2Fetc%2Fpasswd", "GET", 400),
    ],
)
def test_a_stream_refuses_strangers_and_wrong_filters(cookie, folder, given, query, method, status):
    page = asyncio.run(Page(Tails(pools.LOGS), cookie if given is None else given).open(query, method))
    assert page.status == status
    assert "placed" not in "".join(page.events)


@pytest.mark.django_db(transaction=True)
def test_a_stream_is_not_for_every_role(client, folder):
    signed_in(client, "catalogue")
    page = Page(Tails(pools.LOGS), f"registry_session={client.cookies['registry_session'].value}")
    assert asyncio.run(page.open()).status == 403
    pools.close()


@pytest.mark.django_db(transaction=True)
def test_streams_are_few_and_end_with_the_session_and_the_process(cookie, folder, monkeypatch):
    monkeypatch.setattr(tail, "MAX_STREAMS", 1)
    monkeypatch.setattr(tail.stream, "CHECK_SESSION_EVERY_S", 0.0)
    answers = iter([True, False, True])
    monkeypatch.setattr(tail, "_may_read", lambda headers: next(answers))

    async def watch():
        tails = Tails(pools.LOGS, every_s=0.01)
        await Page(tails, cookie).open()  # the second check ends it
        monkeypatch.setattr(tail, "_may_read", lambda headers: True)
        page = Page(tails, cookie)
        opened = asyncio.ensure_future(page.open())
        await page.has("list")
        refused = await Page(tails, cookie).open()
        tails.close()
        await opened
        over = await Page(tails, cookie).open()
        return refused.status, over.status, tails.count

    assert asyncio.run(watch()) == (503, 503, 0)


def test_files_are_those_of_the_folder_alone(folder):
    (folder / "orders.log.1").write_text(line(0, "old"))
    (folder / "notes.txt").write_text("x")
    assert list(source.files()) == ["orders", "payments"]
