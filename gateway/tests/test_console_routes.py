"""The console at the gateway: for the networks of staff alone; `/` leads there when it should."""

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from atoll.addresses import networks
from gateway.tests.harness import Gateway, row
from gateway.tests.upstream import Seen, Upstream, answer

STAFF = networks("127.0.0.0/8")
OTHERS = networks("10.9.0.0/16")


@pytest.fixture
def registry(make_upstream: Callable[[], Upstream]) -> Upstream:
    return make_upstream()


@pytest.fixture
def control(make_upstream: Callable[[], Upstream]) -> Upstream:
    return make_upstream()


@pytest.fixture
def with_console(
    make_gateway: Callable[..., Gateway], registry: Upstream, control: Upstream
) -> Callable[..., Gateway]:
    def make(*rows: dict[str, Any], **config: Any) -> Gateway:
        addresses = {
            "control_url": f"http://127.0.0.1:{control.port}",
            "registry_url": f"http://127.0.0.1:{registry.port}",
        }
        return make_gateway(
            *rows, **({"admin_networks": STAFF, "leads_to_console": True} | addresses | config)
        )

    return make


def targets(upstream: Upstream) -> list[str]:
    return [seen.target for seen in upstream.seen if not seen.target.startswith("/discover")]


def test_the_registry_answers_the_console_and_its_files(
    with_console: Callable[..., Gateway], registry: Upstream, control: Upstream
) -> None:
    gateway = with_console(row("open", "/open"))
    for path in ("/console/", "/console/search?q=1", "/static/console/console.css"):
        assert gateway.get(path).status == 200
    assert targets(registry) == ["/console/", "/console/search?q=1", "/static/console/console.css"]
    assert targets(control) == []
    assert gateway.get("/static/admin/x.css").status == 200
    assert targets(control) == ["/static/admin/x.css"]


def test_the_registry_sees_the_host_that_the_browser_asked(
    with_console: Callable[..., Gateway], registry: Upstream
) -> None:
    with_console(row("open", "/open")).get("/console/", Host="shop.example")
    [seen] = [seen for seen in registry.seen if seen.target == "/console/"]
    assert seen.header("host") == "shop.example"


def test_the_console_is_not_there_for_other_networks(
    with_console: Callable[..., Gateway], registry: Upstream
) -> None:
    gateway = with_console(row("open", "/open"), admin_networks=OTHERS)
    for path in ("/console/", "/console", "/"):
        assert gateway.get(path).status == 404
    assert targets(registry) == []


def test_the_root_leads_to_the_console_unless_a_route_takes_it(
    with_console: Callable[..., Gateway], upstream: Upstream
) -> None:
    found = with_console(row("open", "/open")).get("/")
    assert (found.status, found.headers["location"]) == (302, "/console/")
    assert with_console(row("open", "/open"), leads_to_console=False).get("/").status == 404
    upstream.answers("/x", answer(200, b"the shop"))
    found = with_console(row("shop", "/", service_path="/x")).get("/")
    assert (found.status, found.body) == (200, b"the shop")


def test_server_sent_events_pass_while_the_answer_goes_on(
    with_console: Callable[..., Gateway], registry: Upstream
) -> None:
    read = asyncio.Event()

    async def stream(seen: Seen, reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        writer.write(b"d\r\ndata: first\n\n\r\n")
        await read.wait()
        writer.write(b"e\r\ndata: second\n\n\r\n0\r\n\r\n")

    registry.behaviours["/console/stream"] = stream
    gateway = with_console(row("open", "/open"))
    with closing(gateway.connect()) as connection:
        connection.sendall(b"GET /console/stream HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        received = b""
        while b"data: first" not in received:
            received += connection.recv(65_536)
        assert b"second" not in received
        registry._loop.call_soon_threadsafe(read.set)
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(65_536)
    assert b"data: second" in received
