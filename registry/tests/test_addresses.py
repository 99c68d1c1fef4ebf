"""The addresses that may be registered, and those that are always refused."""

import socket
from urllib.parse import urlsplit

import pytest

from atoll.errors import InvalidInput
from registry import addresses
from registry.addresses import check_loopback, check_port, resolve_host


def resolving(monkeypatch, **names):
    def resolve(name, *_, **__):
        if name not in names:
            raise socket.gaierror("unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in names[name]]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
        ("192.168.0.9", "192.168.0.9"),
        ("172.18.0.5", "172.18.0.5"),
        ("[::1]", "::1"),
        ("fd00::1", "fd00::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
    ],
)
def test_an_address_inside_the_allowed_networks_is_taken_in_its_plain_form(host, address):
    assert resolve_host(host) == addresses.ResolvedHost(address, address)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "8.8.8.8",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "fe80::1",
        "ff02::1",
        "::ffff:169.254.169.254",
        "2001:db8::1",
        "100.64.0.1",
        "fd00:ec2::254",
        "fd00:ec2:0:0::23",
        "fd20:ce::254",
        "fe80::a9fe:a9fe",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::10.0.0.1",
        "2002:a9fe:a9fe::1",
        "2002:a00:1::1",
        "2001:0:a9fe:a9fe::1",
        "fd00:64:0:0:0:5efe:a9fe:a9fe",
        "fd00:64::a9fe:a9fe",
        "fec0::1",
        "[fd00:ec2::254]",
        "168.63.129.16",
    ],
)
def test_an_address_outside_them_is_refused(host):
    with pytest.raises(InvalidInput) as refusal:
        resolve_host(host)
    assert refusal.value.code == "refused_host"


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "fd00:ec2::254",
        "fd20:ce::254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "::ffff:169.254.169.254",
        "::a9fe:a9fe",
    ],
)
def test_a_widened_allow_list_never_lets_the_metadata_service_in(settings, host):
    widest = ("0.0.0.0/0", "::/0")
    settings.REGISTRY_ALLOWED_NETWORKS = [addresses.ipaddress.ip_network(network) for network in widest]

    assert resolve_host("8.8.8.8").address == "8.8.8.8"
    assert resolve_host("2a00:1450::1").address == "2a00:1450::1"
    with pytest.raises(InvalidInput):
        resolve_host(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost"])
def test_a_loopback_address_is_taken_from_this_machine_and_refused_from_another(host):
    where = resolve_host(host)
    for here in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.7"):
        check_loopback(where, here, server="10.0.0.7")
    with pytest.raises(InvalidInput) as refusal:
        check_loopback(where, "10.0.0.8", server="10.0.0.7")
    assert refusal.value.code == "loopback_from_afar"
    check_loopback(resolve_host("10.0.0.9"), "10.0.0.8", server="10.0.0.7")


@pytest.mark.parametrize(
    "host",
    [
        "0x7f000001",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "good@bad",
        "http://10.0.0.1",
        "10.0.0.1:80",
        "10.0.0.1/x",
        "a b",
        "",
        "-a.internal",
        "fe80::1%eth0",
        "a..b",
        "[10.0.0.1",
        "x" * 300,
        "☃" * 90,
    ],
)
def test_what_is_neither_an_address_nor_a_name_is_refused(host):
    with pytest.raises(InvalidInput) as refusal:
        resolve_host(host)
    assert refusal.value.code in {"invalid_host", "refused_host"}


def test_a_name_is_allowed_by_itself_or_by_its_suffix_and_its_address_is_pinned(settings, monkeypatch):
    settings.REGISTRY_ALLOWED_NAMES = ["orders-1", ".svc.internal"]
    resolving(monkeypatch, **{"orders-1": ["10.0.0.4"], "a.svc.internal": ["10.0.0.5"]})

    assert resolve_host("orders-1.") == addresses.ResolvedHost("orders-1", "10.0.0.4")
    assert resolve_host("A.svc.internal").address == "10.0.0.5"
    for other in ("orders-2", "svc.internal", "evil-svc.internal"):
        with pytest.raises(InvalidInput) as refusal:
            resolve_host(other)
        assert refusal.value.code == "refused_host"


def test_a_name_is_refused_when_any_of_its_addresses_is(settings, monkeypatch):
    settings.REGISTRY_ALLOWED_NAMES = [".internal"]
    resolving(monkeypatch, **{"a.internal": ["10.0.0.4", "169.254.169.254"]})

    with pytest.raises(InvalidInput) as refusal:
        resolve_host("a.internal")
    assert refusal.value.code == "refused_host"
    assert "169.254" not in refusal.value.message


def test_a_name_without_an_address_is_refused(settings, monkeypatch):
    settings.REGISTRY_ALLOWED_NAMES = [".internal"]
    resolving(monkeypatch)

    with pytest.raises(InvalidInput) as refusal:
        resolve_host("a.internal")
    assert refusal.value.code == "unknown_host"


@pytest.mark.parametrize("port", [0, 22, 80, 1023, 65536, -1, 5432, 5672, 6379, 15672])
def test_ports_of_engines_and_of_the_system_are_refused(port):
    with pytest.raises(InvalidInput):
        check_port(port, is_worker=False)


def test_the_ports_of_the_engines_in_use_are_refused_wherever_they_are(settings):
    used = {settings.DATABASES["default"]["PORT"], urlsplit(settings.CACHES["default"]["LOCATION"]).port}
    assert {int(port) for port in used if port} <= settings.REGISTRY_REFUSED_PORTS


def test_ports_below_1024_are_allowed_by_a_setting_and_those_of_the_system_never(settings):
    settings.REGISTRY_LOWEST_PORT = 1
    check_port(80, is_worker=False)
    check_port(443, is_worker=False)
    for port in (0, 22, 25, 53, 111, 389, 445, 2375, 2379, 6443, 9200, 10250, 65536):
        with pytest.raises(InvalidInput):
            check_port(port, is_worker=False)


def test_only_a_worker_listens_nowhere():
    check_port(0, is_worker=True)
    check_port(8002, is_worker=False)
