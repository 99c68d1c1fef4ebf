"""A service with a URL in place of registered instances: every address of its name, looked up again."""

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from atoll.discovery.instances import Instance
from atoll.testing.name_server import NameServer
from gateway.edge.upstream import naming
from gateway.edge.upstream.health_checks import ask
from gateway.edge.upstream.pool import client_tls
from gateway.edge.upstream.settings import HealthCheck
from gateway.tests.harness import Gateway, row, table, until
from gateway.tests.test_outside import certificate
from gateway.tests.upstream import Upstream

Make = Callable[..., Gateway]
SERVICE = "named-service"


class Names:
    """Replaces the resolver. ``addresses`` is None while it fails."""

    def __init__(self) -> None:
        self.addresses: list[str] | None = ["127.0.0.1"]
        self.asked: list[str] = []

    async def lookup(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if self.addresses is None:
            raise OSError("the name server is away")
        return self.addresses


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr(naming, "lookup", made.lookup)
    monkeypatch.setattr(naming, "RESOLVE_EVERY_S", 0.01)
    return made


def named(url: str, version: int) -> dict[str, Any]:
    document = table(row("named", "/named", service=SERVICE), version=version)
    return document | {"services": [{"name": SERVICE, "url": url}]}


def addresses(gateway: Gateway) -> list[str]:
    return [one.origin.host for one in gateway.components.directory.upstream(SERVICE).endpoints]


def test_every_address_of_a_name_is_an_endpoint_and_the_name_is_the_host(
    gateway: Gateway, upstream: Upstream, names: Names
) -> None:
    names.addresses = ["127.0.0.1", "127.0.0.9"]
    gateway.publish(named(f"http://things.test:{upstream.port}", 2))
    until(lambda: addresses(gateway) == names.addresses)

    assert {gateway.get("/named/x").status for _ in range(8)} == {200}
    assert upstream.of("/named")[0].header("host") == f"things.test:{upstream.port}"


def test_a_changed_name_is_followed_and_one_that_fails_keeps_its_addresses(
    gateway: Gateway, upstream: Upstream, names: Names
) -> None:
    gateway.publish(named(f"http://things.test:{upstream.port}", 2))
    until(lambda: addresses(gateway) == ["127.0.0.1"])
    kept = gateway.components.directory.upstream(SERVICE).endpoints[0]
    names.addresses = ["127.0.0.1", "127.0.0.2"]
    until(lambda: addresses(gateway) == names.addresses)
    assert gateway.components.directory.upstream(SERVICE).endpoints[0] is kept

    names.addresses = None
    asked = len(names.asked)
    until(lambda: len(names.asked) > asked + 2)
    assert addresses(gateway) == ["127.0.0.1", "127.0.0.2"]
    assert gateway.get("/named/x").status == 200


def name_age_s(gateway: Gateway) -> float:
    line = f'gateway_name_age_seconds{{service="{SERVICE}"}} '
    text = gateway.get("/metrics").body.decode()
    return float(next(found for found in text.splitlines() if found.startswith(line)).removeprefix(line))


def test_a_gateway_that_starts_while_a_name_fails_has_its_last_addresses_and_their_age(
    gateway: Gateway, upstream: Upstream, names: Names, make_gateway: Make
) -> None:
    url = f"http://things.test:{upstream.port}"
    gateway.publish(named(url, 2))
    until(lambda: addresses(gateway) == ["127.0.0.1"])
    home = gateway.components.config.home
    kept = home / "gateway" / "names" / f"{SERVICE}.json"
    until(kept.exists)
    names.addresses = None
    os.utime(kept, (time.time() - 600, time.time() - 600))

    restarted = make_gateway(row("open", "/open"), home=home)
    restarted.publish(named(url, 3))
    until(lambda: addresses(restarted) == ["127.0.0.1"])
    assert restarted.get("/named/x").status == 200
    assert name_age_s(restarted) >= 600

    names.addresses = ["127.0.0.1"]
    until(lambda: name_age_s(restarted) < 600)
    assert kept.stat().st_mtime > time.time() - 600


def test_addresses_of_another_name_or_port_are_not_taken_from_the_disk(
    gateway: Gateway, upstream: Upstream, names: Names, make_gateway: Make
) -> None:
    gateway.publish(named(f"http://things.test:{upstream.port}", 2))
    until(lambda: addresses(gateway) == ["127.0.0.1"])
    names.addresses = None

    for url in (f"http://others.test:{upstream.port}", "http://things.test:9"):
        restarted = make_gateway(row("open", "/open"), home=gateway.components.config.home)
        restarted.publish(named(url, 3))
        until(lambda gateway=restarted: addresses(gateway) == [])
        asked = len(names.asked)
        until(lambda before=asked: len(names.asked) > before + 5)
        assert addresses(restarted) == []


def test_an_unreadable_file_of_addresses_is_none(
    make_gateway: Make, upstream: Upstream, names: Names, tmp_path: Path
) -> None:
    kept = tmp_path / "gateway" / "names" / f"{SERVICE}.json"
    kept.parent.mkdir(parents=True)
    kept.write_text('[{"id": 1}]')
    gateway = make_gateway(row("open", "/open"), home=tmp_path)
    gateway.publish(named(f"http://things.test:{upstream.port}", 2))

    until(lambda: gateway.get("/named/x").status == 200)


def test_a_name_without_an_address_is_503_until_it_has_one(
    gateway: Gateway, upstream: Upstream, names: Names
) -> None:
    names.addresses = []
    gateway.publish(named(f"http://things.test:{upstream.port}", 2))
    until(lambda: names.asked)
    assert gateway.get("/named/x").json()["code"] == "no_instance"

    names.addresses = ["127.0.0.1"]
    until(lambda: gateway.get("/named/x").status == 200)


def test_a_new_url_replaces_the_old_one_and_none_goes_back_to_the_registry(
    gateway: Gateway, upstream: Upstream, make_upstream: Callable[[], Upstream], names: Names
) -> None:
    other = make_upstream()
    gateway.publish(named(f"http://127.0.0.1:{upstream.port}", 2))
    until(lambda: gateway.get("/named/x").status == 200 and upstream.of("/named"))
    gateway.publish(named(f"http://things.test:{other.port}", 3))
    until(lambda: gateway.get("/named/x").status == 200 and other.of("/named"))
    assert names.asked

    gateway.publish(named("", 4))
    until(lambda: gateway.get("/named/x").json().get("code") == "no_instance")
    asked = len(names.asked)
    gateway.publish(named("", 5))
    assert len(names.asked) == asked


def test_a_url_of_the_environment_goes_before_one_of_the_table(
    make_gateway: Make, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAMED_SERVICE_URL", f"http://127.0.0.1:{upstream.port}")
    gateway = make_gateway(row("open", "/open"))
    gateway.publish(named("http://127.0.0.9:9", 2))

    until(lambda: gateway.get("/named/x").status == 200)


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer(ttl_s=1)
    monkeypatch.setenv("DNS_SERVERS", server.address)
    yield server
    server.close()


def test_a_name_in_dns_is_followed_by_its_records(
    make_gateway: Make, upstream: Upstream, name_server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCOVERY", f"dns://{{service}}.shop.test:{upstream.port}")
    name_server.records = {("named-service.shop.test", "A"): ["127.0.0.1"]}
    gateway = make_gateway(row("open", "/open"))
    gateway.publish(named("", 2))
    until(lambda: addresses(gateway) == ["127.0.0.1"])
    assert gateway.get("/named/x").status == 200
    assert upstream.of("/named")[0].header("host") == f"named-service.shop.test:{upstream.port}"

    name_server.records = {("named-service.shop.test", "A"): ["127.0.0.1", "127.0.0.9"]}
    until(lambda: addresses(gateway) == ["127.0.0.1", "127.0.0.9"])
    name_server.is_away = True
    asked = len(name_server.asked)
    until(lambda: len(name_server.asked) > asked)
    assert addresses(gateway) == ["127.0.0.1", "127.0.0.9"]

    name_server.is_away, name_server.records = False, {("named-service.shop.test", "TXT"): ["x"]}
    until(lambda: gateway.get("/named/x").json().get("code") == "no_instance", within_s=15)


def test_srv_records_give_ports_and_the_lowest_priority_counts(
    make_gateway: Make, upstream: Upstream, name_server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAMED_SERVICE_URL", "srv://_http._tcp.things.test")
    name_server.records = {
        ("_http._tcp.things.test", "SRV"): [f"1 0 {upstream.port} a.test.", "2 0 9 b.test."],
        ("a.test", "A"): ["127.0.0.1"],
        ("b.test", "A"): ["127.0.0.9"],
    }
    gateway = make_gateway(row("open", "/open"))
    gateway.publish(named("http://127.0.0.9:9", 2))

    until(lambda: addresses(gateway) == ["127.0.0.1"])
    assert gateway.get("/named/x").status == 200
    assert upstream.of("/named")[0].header("host") == f"a.test:{upstream.port}"


def test_the_resolver_of_the_machine_is_asked() -> None:
    found = asyncio.run(naming.instances_of(Instance.from_url("http://localhost:8080")))

    assert "127.0.0.1:8080" in {one.id for one in found}
    assert {one.host for one in found} == {"localhost"}
    with pytest.raises(OSError, match=r".+"):
        asyncio.run(naming.instances_of(Instance.from_url("http://no-such-name.invalid")))


@pytest.mark.parametrize(("certified", "status"), [("things.test", 200), ("other.test", 503)])
def test_a_certificate_must_be_for_the_name_and_not_for_the_address(
    make_gateway: Make,
    names: Names,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    certified: str,
    status: int,
) -> None:
    file = certificate(tmp_path, certified)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    client_tls.cache_clear()
    secure = Upstream(context)
    try:
        gateway = make_gateway(row("open", "/open"))
        gateway.publish(named(f"https://things.test:{secure.port}", 2))
        until(lambda: addresses(gateway) == ["127.0.0.1"])

        assert gateway.get("/named/x").status == status
        health = asyncio.run(
            ask(gateway.components.directory.upstream(SERVICE).endpoints[0].origin, HealthCheck("/h"))
        )
        assert (health is None) is (status == 200)
        assert len(secure.of("/named")) == (status == 200)
    finally:
        secure.close()
        client_tls.cache_clear()


def test_two_names_of_one_address_are_asked_by_their_own_names(
    gateway: Gateway, upstream: Upstream, names: Names
) -> None:
    document = table(row("a", "/a", service="a-service"), row("b", "/b", service="b-service"), version=2)
    urls = [{"name": f"{one}-service", "url": f"http://{one}.test:{upstream.port}"} for one in "ab"]
    gateway.publish(document | {"services": urls})
    until(lambda: gateway.get("/a/x").status == 200 == gateway.get("/b/x").status)

    assert upstream.of("/a")[0].header("host") == f"a.test:{upstream.port}"
    assert upstream.of("/b")[0].header("host") == f"b.test:{upstream.port}"
