"""Instances by DNS, from a name server on loopback."""

import random
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dns.rcode
import pytest
from client.world import OK, Clock, NotSent, World
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.exceptions import ImproperlyConfigured

from atoll import discovery
from atoll.client import Random, Retry, ServiceClient, balancing
from atoll.client.pool import Pool
from atoll.discovery import dns_lookup, resolving
from atoll.discovery.dns_lookup import Found, NoAnswer, NothingThere, look_up, resolver_of
from atoll.discovery.followed_names import LONG_UNUSED_S, MOST_TTL_S, FollowedNames
from atoll.discovery.instances import Instance
from atoll.discovery.places import Place
from atoll.errors import NoInstance, Unavailable
from atoll.testing.name_server import NameServer
from atoll.testing.running import eventually

USERS = Place("dns", "users.test", 8000)
SRV = Place("srv", "_http._tcp.users.test")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setenv("DNS_SERVERS", server.address)
    resolving.forget()
    yield server
    resolving.forget()
    server.close()


def test_every_address_of_a_name_is_an_instance(names, monkeypatch):
    names.records = {("users.test", "A"): ["10.0.0.8", "10.0.0.7"], ("users.test", "AAAA"): ["fd00::7"]}
    monkeypatch.setenv("USER_SERVICE_URL", "dns://users.test:8000")

    found = discovery.resolve("user-service")

    assert [(one.id, one.url, one.authority) for one in found] == [
        ("10.0.0.7:8000", "http://10.0.0.7:8000", "users.test:8000"),
        ("10.0.0.8:8000", "http://10.0.0.8:8000", "users.test:8000"),
        ("[fd00::7]:8000", "http://[fd00::7]:8000", "users.test:8000"),
    ]
    assert discovery.age_s("user-service") == pytest.approx(0, abs=5)


def test_an_answer_too_long_for_a_datagram_comes_whole(names):
    names.records = {("users.test", "A"): [f"10.0.{n // 100}.{n % 100}" for n in range(200)]}

    assert len(look_up(USERS).instances) == 200


def test_targets_of_srv_records_have_ports_priorities_and_shares_of_their_weight(names):
    names.records = {
        ("_http._tcp.users.test", "SRV"): [
            "10 60 8001 a.users.test.", "10 0 8002 b.users.test.", "20 0 8003 c.users.test.",
            "20 0 8004 gone.users.test.",
        ],
        ("a.users.test", "A"): ["10.0.0.1", "10.0.0.2"],
        ("b.users.test", "A"): ["10.0.0.3"],
        ("c.users.test", "AAAA"): ["fd00::4"],
    }  # fmt: skip
    found = look_up(SRV).instances

    assert [(one.id, one.host, one.priority, one.weight) for one in found] == [
        ("10.0.0.1:8001", "a.users.test", 10, 30),
        ("10.0.0.2:8001", "a.users.test", 10, 30),
        ("10.0.0.3:8002", "b.users.test", 10, 0.6),
        ("[fd00::4]:8003", "c.users.test", 20, 1),
    ]


def test_addresses_that_come_along_with_srv_records_are_not_asked_for_again(names):
    names.records = {("_http._tcp.users.test", "SRV"): ["0 100 8000 a.users.test."]}
    names.additional = {("a.users.test", "A"): ["10.0.0.1"]}

    assert [one.id for one in look_up(SRV).instances] == ["10.0.0.1:8000"]
    assert names.asked == ["_http._tcp.users.test SRV"]


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ({("other.test", "A"): ["10.0.0.1"]}, "DNS has no name"),
        ({("users.test", "TXT"): ["x"], ("_http._tcp.users.test", "TXT"): ["x"]}, "in DNS"),
        ({("users.test", "TXT"): ["x"], ("_http._tcp.users.test", "SRV"): ["0 0 0 ."]}, "in DNS"),
        ({("users.test", "TXT"): ["x"], ("_http._tcp.users.test", "SRV"): ["0 0 1 no.test."]}, "in DNS"),
    ],
)
def test_a_name_without_instances_is_a_clear_error_and_not_an_outage(names, records, reason):
    names.records = records
    for place in (USERS, SRV):
        with pytest.raises(NoInstance, match=reason) as told:
            FollowedNames().resolve("user-service", place)
        assert (told.value.status, told.value.service) == (503, "user-service")


def test_a_server_that_fails_or_is_silent_gives_no_answer(names, monkeypatch):
    names.records = {("users.test", "A"): ["10.0.0.7"]}
    names.rcode = dns.rcode.SERVFAIL
    with pytest.raises(NoAnswer, match=r"users\.test"):
        look_up(USERS)

    names.rcode, names.is_away = dns.rcode.NOERROR, True
    monkeypatch.setattr(dns_lookup, "LOOK_TIMEOUT_S", 0.2)
    with pytest.raises(NoAnswer, match=r"users\.test"):
        look_up(USERS)
    with pytest.raises(Unavailable, match="cannot be looked up"):
        FollowedNames().resolve("user-service", USERS)


@pytest.mark.parametrize("value", ["resolver.test", "10.0.0.10:x", "10.0.0.10,", "10.0.0.10:70000"])
def test_servers_that_are_no_addresses_are_named(monkeypatch, value):
    monkeypatch.setenv("DNS_SERVERS", value)
    with pytest.raises(ImproperlyConfigured, match="DNS_SERVERS="):
        look_up(USERS)


def test_servers_have_a_port_or_the_usual_one():
    asked = resolver_of("10.0.0.10, 10.0.0.11:5353, fd00::10, [fd00::11]:5353").nameservers
    assert [(one.address, one.port) for one in asked] == [
        ("10.0.0.10", 53), ("10.0.0.11", 5353), ("fd00::10", 53), ("fd00::11", 5353),
    ]  # fmt: skip


class Zone:
    """What DNS says, by hand. ``told`` may be an error."""

    def __init__(self) -> None:
        self.told: Found | Exception = Found((at("10.0.0.1"),), 30.0)
        self.asked = 0

    def __call__(self, place: Place) -> Found:
        self.asked += 1
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


def at(address: str) -> Instance:
    return Instance(f"{address}:8000", "users.test", 8000, address=address, is_named=True)


@pytest.fixture
def zone() -> Zone:
    return Zone()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def followed(zone: Zone, clock: Clock) -> FollowedNames:
    return FollowedNames(zone, clock=clock)


def test_dns_is_asked_again_when_the_records_have_expired(followed, zone, clock):
    def ids() -> list[str]:
        return [one.id for one in followed.resolve("user-service", USERS)]

    assert ids() == ["10.0.0.1:8000"]
    clock.now += 29.9
    assert (ids(), zone.asked) == (["10.0.0.1:8000"], 1)

    zone.told = Found((at("10.0.0.2"),), 30.0)
    clock.now += 0.1
    eventually(lambda: ids() == ["10.0.0.2:8000"])
    assert zone.asked == 2


def test_after_a_long_pause_the_first_caller_waits_for_a_new_answer(followed, zone, clock):
    followed.resolve("user-service", USERS)
    zone.told = Found((at("10.0.0.2"),), 30.0)
    clock.now += 30 + LONG_UNUSED_S

    assert [one.id for one in followed.resolve("user-service", USERS)] == ["10.0.0.2:8000"]


@pytest.mark.parametrize(("ttl_s", "held_s"), [(0, 1.0), (86_400, MOST_TTL_S)])
def test_a_time_to_live_counts_within_bounds(followed, zone, clock, ttl_s, held_s):
    zone.told = Found((at("10.0.0.1"),), ttl_s)
    followed.resolve("user-service", USERS)
    clock.now += held_s - 0.01
    followed.resolve("user-service", USERS)
    assert zone.asked == 1

    clock.now += 0.01
    followed.resolve("user-service", USERS)
    eventually(lambda: zone.asked == 2)


def test_while_dns_is_away_the_last_answer_stays_and_its_age_grows(followed, zone, clock):
    followed.resolve("user-service", USERS)
    zone.told = NoAnswer("away")
    for _ in range(5):
        clock.now += 3600
        assert [one.id for one in followed.resolve("user-service", USERS)] == ["10.0.0.1:8000"]
    assert followed.age_s(USERS) == 5 * 3600

    zone.told = Found((at("10.0.0.2"),), 30.0)
    clock.now += 60
    eventually(lambda: [one.id for one in followed.resolve("user-service", USERS)] == ["10.0.0.2:8000"])
    assert followed.age_s(USERS) == 0


def test_an_empty_answer_empties_the_list_and_a_later_one_fills_it(followed, zone, clock):
    followed.resolve("user-service", USERS)
    zone.told = NothingThere("users.test has no address in DNS")
    clock.now += 100
    for _ in range(3):
        with pytest.raises(NoInstance, match=r"users\.test has no address in DNS"):
            followed.resolve("user-service", USERS)
    assert zone.asked == 2

    zone.told = Found((at("10.0.0.2"),), 30.0)
    clock.now += 1
    assert [one.id for one in followed.resolve("user-service", USERS)] == ["10.0.0.2:8000"]


def test_many_callers_ask_dns_once():
    started, go_on = threading.Event(), threading.Event()
    asked = []

    def slow(place: Place) -> Found:
        asked.append(place)
        started.set()
        assert go_on.wait(10)
        return Found((at("10.0.0.1"),), 30.0)

    followed = FollowedNames(slow)
    found: list[list[Instance]] = []
    callers = [
        threading.Thread(target=lambda: found.append(followed.resolve("user-service", USERS)))
        for _ in range(8)
    ]
    for caller in callers:
        caller.start()
    assert started.wait(10)
    go_on.set()
    for caller in callers:
        caller.join(10)

    assert (len(asked), len(found)) == (1, 8)


def srv(host: str, priority: int, weight: float = 1) -> Instance:
    return Instance(host, host, 8000, {"weight": weight}, is_named=True, priority=priority)


def test_a_higher_priority_is_asked_only_when_no_lower_one_can_be_reached():
    world = World({"a": [OK], "b": [NotSent], "c": [OK]})
    world.instances = [srv("a", 20), srv("b", 10), srv("c", 20)]
    client = world.client(strategy=None)

    for _ in range(5):
        assert client.get("/", token=False).ok
    assert world.hosts[::2] == ["b"] * 5
    assert set(world.hosts[1::2]) <= {"a", "c"}

    world.sent.clear()
    assert client.get("/", token=False).ok  # the breaker of b has opened
    assert "b" not in world.hosts


def test_weights_of_srv_records_are_shares_of_the_requests():
    instances = [srv("a", 10, 75), srv("b", 10, 25), srv("c", 10, 0.01)]
    assert isinstance(balancing.usual(instances), Random)
    rng = random.Random(7)
    picked = Counter(Random(rng).pick(instances, lambda one: 0).id for _ in range(10_000))
    assert 7_300 < picked["a"] < 7_700
    assert picked["c"] < 20


def test_a_service_without_registry_and_credential_is_called_by_its_name(names, monkeypatch):
    """Two addresses, of which one has no server: the call reaches the other, under the service's name."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.headers["Host"], self.headers["Authorization"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    names.records = {("stock-service.test", "A"): ["127.0.0.1", "127.0.0.9"]}
    monkeypatch.setenv("DISCOVERY", f"dns://{{service}}.test:{server.server_port}")
    monkeypatch.setattr("atoll.client.own_token._supplier", lambda: None)
    try:
        for _ in range(8):
            assert ServiceClient("stock-service").get("/").status == 204
        monkeypatch.setenv("SERVICE_TOKEN", "configured")
        assert ServiceClient("stock-service").get("/").status == 204
    finally:
        server.shutdown()
        server.server_close()

    host = f"stock-service.test:{server.server_port}"
    assert seen == [(host, None)] * 8 + [(host, "Bearer configured")]


@pytest.mark.parametrize(("certified", "is_believed"), [("users.test", True), ("other.test", False)])
def test_over_tls_the_certificate_must_be_for_the_name(names, monkeypatch, tmp_path, certified, is_believed):
    pem = certificate(tmp_path, certified)
    monkeypatch.setattr("atoll.client.transport.DEFAULT_CA_BUNDLE_PATH", str(pem))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    names.records = {("users.test", "A"): ["127.0.0.1"]}
    monkeypatch.setenv("USER_SERVICE_URL", f"dns+https://users.test:{server.server_port}")
    client = ServiceClient("user-service", pool=Pool(), retry=Retry(limit=0))
    try:
        if is_believed:
            assert client.get("/", token=False).status == 204
        else:
            with pytest.raises(Unavailable):
                client.get("/", token=False)
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder: Path, name: str) -> Path:
    """A certificate that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / f"{name}.pem"
    file.write_bytes(private + made.public_bytes(encoding))
    return file
