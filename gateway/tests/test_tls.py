"""TLS of the gateway itself: bounded and counted handshakes, certificates that change while it runs."""

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from atoll.dev import ports
from atoll.server.listening import listen
from gateway.edge.http import door, time_limits, tls
from gateway.edge.http.door import Limits
from gateway.tests.certificates import write_certificate
from gateway.tests.harness import Answer, Gateway, read_answer, row, until
from gateway.tests.running import Running
from gateway.tests.upstream import Upstream, answer

NAME = "gateway.test"
ATTACKER = "127.0.0.2"
GET = b"GET /open/x HTTP/1.1\r\nHost: gateway.test\r\n\r\n"
CLIENT_HELLO_HEAD = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
HANDSHAKES = 600

Make = Callable[..., Gateway]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.pem"
    write_certificate(path, NAME)
    return path


@pytest.fixture
def make(make_gateway: Make, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """``make(**limits)``: a gateway with TLS that nobody is connected to."""
    monkeypatch.setattr(time_limits, "TICK_S", 0.02)
    monkeypatch.setattr(tls, "LOOK_EVERY_S", 0.02)

    def make(**limits: float) -> Gateway:
        gateway = make_gateway(
            row("open", "/open"),
            tls_certificate=certificate,
            limits=Limits(**limits),  # type: ignore[arg-type]
        )
        until(lambda: not gateway.components.door.handshaking)
        return gateway

    return make


def anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def open_from(gateway: Gateway | Running, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), 10, source_address=(source, 0))


def ask(
    gateway: Gateway | Running, source: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> Answer:
    """Raises OSError when the gateway refuses the connection."""
    raw = open_from(gateway, source)
    with (context or anybody()).wrap_socket(raw, server_hostname=NAME) as connection:
        connection.sendall(GET)
        return read_answer(connection)


def ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_https_is_served_with_the_configured_certificate(
    make: Make, upstream: Upstream, certificate: Path
) -> None:
    gateway = make()
    before = gateway.components.door.handshakes.done
    trusted = ssl.create_default_context(cafile=str(certificate))
    with trusted.wrap_socket(gateway.connect(), server_hostname=NAME) as connection:
        assert connection.selected_alpn_protocol() in (None, "http/1.1")
        for _ in range(2):
            connection.sendall(GET)
            assert read_answer(connection).status == 200
        assert len(gateway.components.door.connections) == 1
    assert upstream.of("/open")[0].header("x-forwarded-proto") == "https"
    assert gateway.components.door.handshakes.done == before + 1


def test_a_request_in_one_piece_with_the_end_of_the_handshake_is_served(make: Make) -> None:
    gateway = make()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = anybody().wrap_bio(incoming, outgoing, server_hostname=NAME)
    with gateway.connect() as connection:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65_536))
        client.write(GET)
        connection.sendall(outgoing.read())  # Finished and the request
        answer = b""
        while b"\r\n\r\n" not in answer:
            incoming.write(connection.recv(65_536))
            try:
                answer += client.read(65_536)
            except ssl.SSLWantReadError:
                continue
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"", CLIENT_HELLO_HEAD, GET], ids=["nothing", "half a hello", "plain HTTP"])
def test_a_client_that_does_not_end_its_handshake_loses_its_connection(make: Make, sent: bytes) -> None:
    gateway = make(handshake_s=0.3)
    handshakes = gateway.components.door.handshakes
    failed = handshakes.failed
    with gateway.connect() as connection:
        connection.sendall(sent)
        assert ask(gateway).status == 200
        while not ended(connection):
            pass  # an alert
    until(lambda: handshakes.failed == failed + 1)
    assert not gateway.components.door.handshaking


def test_handshakes_count_as_connections_of_their_address(make: Make) -> None:
    gateway = make(connections_per_address=3)
    waiting = [open_from(gateway, ATTACKER) for _ in range(3)]
    until(lambda: len(gateway.components.door.handshaking) == 3)
    with open_from(gateway, ATTACKER) as fourth:
        assert ended(fourth)
    assert ask(gateway).status == 200
    for connection in waiting:
        connection.close()
    until(lambda: not gateway.components.door.handshaking)
    assert ask(gateway, ATTACKER).status == 200


def test_a_full_gateway_drops_the_handshake_that_has_waited_for_the_longest_time(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "SPARED_S", 0.0)
    gateway = make(connections=2)
    with gateway.connect() as first, gateway.connect():
        until(lambda: len(gateway.components.door.handshaking) == 2)
        assert ask(gateway).status == 200
        assert ended(first)


def test_hundreds_of_handshakes_of_one_address_are_few_for_the_gateway(make: Make) -> None:
    gateway = make()
    handshakes, limits, context = gateway.components.door.handshakes, Limits(), anybody()
    with anybody().wrap_socket(open_from(gateway, ATTACKER), server_hostname=NAME) as earlier:
        done, refused, began = 0, 0, time.monotonic()
        before = handshakes.done
        for _ in range(HANDSHAKES):
            try:
                context.wrap_socket(open_from(gateway, ATTACKER), server_hostname=NAME).close()
                done += 1
            except OSError:
                refused += 1
        took_s = time.monotonic() - began
        most = limits.handshakes_per_address + took_s / limits.handshake_regain_s + 1
        assert done <= handshakes.done - before <= most
        assert refused == HANDSHAKES - done > 0
        assert handshakes.refused >= refused
        assert ask(gateway).status == 200  # another address
        earlier.sendall(GET)  # a connection from before
        assert read_answer(earlier).status == 200


@pytest.mark.parametrize("wish", ["keep-alive", "close"])
def test_a_client_that_reads_faster_than_the_least_rate_gets_its_whole_answer(
    make: Make, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, wish: str
) -> None:
    monkeypatch.setattr(time_limits, "CLOSING_S", 0.5)
    gateway = make(window_s=0.5, least_bytes_per_s=2000)
    upstream.answers("/open/big", answer(200, b"x" * 400_000))
    received = b""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        raw.connect(("127.0.0.1", gateway.port))
        with anybody().wrap_socket(raw, server_hostname=NAME) as connection:
            connection.sendall(f"GET /open/big HTTP/1.1\r\nHost: x\r\nConnection: {wish}\r\n\r\n".encode())
            while received.count(b"x") < 400_000:
                time.sleep(0.05)
                piece = connection.recv(4096)
                assert piece, f"{len(received)} bytes arrived"
                received += piece


def test_metrics_count_handshakes(make: Make) -> None:
    gateway = make()
    ask(gateway)
    gauges = gateway.run(lambda: gateway.components.metrics.state())["gauges"]
    assert gauges["gateway_tls_handshakes"] >= 1
    assert {"gateway_tls_handshakes_failed", "gateway_tls_handshakes_refused"} <= gauges.keys()


def test_a_certificate_that_is_replaced_is_served_to_new_connections(make: Make, certificate: Path) -> None:
    gateway = make()
    with anybody().wrap_socket(gateway.connect(), server_hostname=NAME) as earlier:
        write_certificate(certificate, NAME)
        trusted = ssl.create_default_context(cafile=str(certificate))
        until(lambda: serves(gateway, trusted))
        earlier.sendall(GET)
        assert read_answer(earlier).status == 200


@pytest.mark.parametrize("fault", ["no certificate", "a key that does not fit", "no file"])
def test_a_faulty_certificate_leaves_the_one_in_use(make: Make, certificate: Path, fault: str) -> None:
    gateway = make()
    trusted = ssl.create_default_context(cafile=str(certificate))
    good = certificate.read_text()
    if fault == "no certificate":
        certificate.write_text("no certificate")
    elif fault == "no file":
        certificate.unlink()
    else:
        write_certificate(certificate, NAME)
        other = certificate.read_text()
        key = good[good.index("-----BEGIN PRIVATE") :]
        certificate.write_text(other[: other.index("-----BEGIN PRIVATE")] + key)
    assert gateway.tls is not None
    gateway.run(gateway.tls.reload)
    assert serves(gateway, trusted)


def test_an_edge_process_reads_its_certificate_again(
    tmp_path: Path, upstream: Upstream, certificate: Path
) -> None:
    listener = listen("127.0.0.1", ports.free())
    running = Running(tmp_path, upstream.port, 1, [listener], GATEWAY_TLS_CERTIFICATE=str(certificate))
    try:
        first = ssl.create_default_context(cafile=str(certificate))
        until(lambda: serves(running, first))
        write_certificate(certificate, NAME)
        running.processes.reload()
        second = ssl.create_default_context(cafile=str(certificate))
        until(lambda: serves(running, second), within_s=30)
    finally:
        running.processes.kill()
        listener.close()


def serves(gateway: Gateway | Running, trusted: ssl.SSLContext) -> bool:
    try:
        return ask(gateway, context=trusted).status == 200
    except ssl.SSLError:
        return False
