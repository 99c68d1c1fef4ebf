"""Instances from the registry, in its wire format."""

import asyncio
import json
import socket
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from gateway.tests.harness import Gateway, row, until
from gateway.tests.upstream import Seen, Upstream, answer

Make = Callable[..., Gateway]


class Registry:
    """Answers ``GET /discover/{service}`` with blocking reads, as the registry does."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.index = 1
        self.instances: dict[str, list[dict[str, object]]] = {}
        self.away = False
        self.state = "current"
        upstream.behaviours["/discover/"] = self._answer

    def set(self, service: str, *upstreams: Upstream, **more: object) -> None:
        self.instances[service] = [
            {"id": f"{service}-{one.port}", "host": "127.0.0.1", "port": one.port, "metadata": {}, **more}
            for one in upstreams
        ]
        self.index += 1

    async def _answer(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = urlsplit(seen.target)
        asked = parse_qs(parts.query).get("index", ["0"])[0]
        while int(asked) == self.index and not self.away:
            await asyncio.sleep(0.01)
        if self.away:
            writer.close()
            return
        body = json.dumps(self.instances.get(parts.path.rsplit("/", 1)[1], [])).encode()
        told = f"X-Registry-Index: {self.index}\r\nX-Registry-List: {self.state}"
        writer.write(answer(200, body, told))


@pytest.fixture
def registry(make_upstream: Callable[[], Upstream]) -> Registry:
    return Registry(make_upstream())


@pytest.fixture
def watching(make_gateway: Make, registry: Registry) -> Gateway:
    return make_gateway(
        row("shop", "/shop", service="shop-service"),
        registry_url=f"http://127.0.0.1:{registry.upstream.port}",
    )


def test_a_change_in_the_registry_is_seen_at_once(
    watching: Gateway, registry: Registry, upstream: Upstream, make_upstream: Callable[[], Upstream]
) -> None:
    assert watching.get("/shop/x").json()["code"] == "no_instance"
    registry.set("shop-service", upstream)
    until(lambda: watching.get("/shop/x").status == 200, within_s=1)

    second = make_upstream()
    registry.set("shop-service", second)
    until(lambda: watching.get("/shop/x").status == 200 and second.of("/shop"), within_s=1)
    registry.set("shop-service")
    until(lambda: watching.get("/shop/x").status == 503, within_s=1)


def test_the_registry_is_asked_with_our_credential(watching: Gateway, registry: Registry) -> None:
    seen = until(lambda: registry.upstream.of("/discover/shop-service"))[0]

    assert seen.header("authorization") == "Basic dGVzdDp0ZXN0"


def test_losing_the_registry_changes_nothing(
    watching: Gateway, registry: Registry, upstream: Upstream
) -> None:
    registry.set("shop-service", upstream)
    until(lambda: watching.get("/shop/x").status == 200)
    asked = len(registry.upstream.of("/discover/shop-service"))
    registry.away = True
    registry.upstream.drop_idle_connections()
    until(lambda: len(registry.upstream.of("/discover/shop-service")) > asked)

    assert watching.get("/shop/x").status == 200


def test_the_last_good_instances_are_there_after_a_restart_without_a_registry(
    watching: Gateway, registry: Registry, upstream: Upstream, make_gateway: Make
) -> None:
    registry.set("shop-service", upstream)
    until(lambda: watching.get("/shop/x").status == 200)
    restarted = make_gateway(
        row("shop", "/shop", service="shop-service"), home=watching.components.config.home
    )

    assert restarted.get("/shop/x").status == 200


@pytest.mark.parametrize(
    "raw", [answer(500, b"[]"), answer(200, b"{}"), answer(200, b"[1]"), answer(200, b"[]")]
)
def test_an_unreadable_answer_of_the_registry_changes_nothing(
    watching: Gateway, registry: Registry, upstream: Upstream, raw: bytes
) -> None:
    registry.set("shop-service", upstream)
    until(lambda: watching.get("/shop/x").status == 200)
    asked = len(registry.upstream.of("/discover/shop-service"))
    registry.upstream.answers("/discover/", raw)
    registry.index += 1
    until(lambda: len(registry.upstream.of("/discover/shop-service")) > asked + 1)

    assert watching.get("/shop/x").status == 200


def test_a_fixed_url_replaces_discovery(
    make_gateway: Make, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PINNED_SERVICE_URL", f"http://127.0.0.1:{upstream.port}")
    gateway = make_gateway(row("pinned", "/pinned", service="pinned-service"))

    assert gateway.get("/pinned/x").status == 200


def test_a_service_that_fell_silent_as_a_whole_is_still_asked_and_no_request_fails(
    watching: Gateway, registry: Registry, upstream: Upstream
) -> None:
    registry.set("shop-service", upstream)
    until(lambda: watching.get("/shop/x").status == 200)
    with socket.socket() as bound_and_deaf:
        bound_and_deaf.bind(("127.0.0.1", 0))
        dead = {"id": "dead", "host": "127.0.0.1", "port": bound_and_deaf.getsockname()[1], "metadata": {}}
        registry.state = "last-known"
        registry.set("shop-service", upstream, lastKnown=True)
        registry.instances["shop-service"].append(dead | {"lastKnown": True})
        registry.index += 1
        gauge = 'gateway_last_known_instances{service="shop-service"} '
        until(lambda: f"{gauge}2.0" in watching.get("/metrics").body.decode())

        assert {watching.get("/shop/x").status for _ in range(40)} == {200}
    registry.state = "current"
    registry.set("shop-service", upstream)
    until(lambda: f"{gauge}0.0" in watching.get("/metrics").body.decode())


def test_a_registry_that_has_lost_its_memory_empties_nothing(
    watching: Gateway, registry: Registry, upstream: Upstream
) -> None:
    def asked_with(index: int) -> bool:
        asked = registry.upstream.of("/discover/shop-service")
        return any(f"index={index}&" in seen.target for seen in asked)

    registry.index = 7
    registry.set("shop-service", upstream)
    until(lambda: watching.get("/shop/x").status == 200)
    registry.state, registry.instances, registry.index = "unknown", {}, 5
    # It has heard an answer once it asks with that answer's index.
    until(lambda: asked_with(5))

    assert watching.get("/shop/x").status == 200
