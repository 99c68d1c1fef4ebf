"""A client that is slow, silent or greedy loses its own connection, and nobody else anything."""

import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

from atoll.addresses import networks
from gateway.edge.forward import STREAMS_PER_INSTANCE
from gateway.edge.http import door, time_limits
from gateway.edge.http.door import Limits
from gateway.edge.http.time_limits import ENDED_AT_ONCE, TimeLimits
from gateway.tests.harness import Gateway, read_answer, row, until
from gateway.tests.upstream import Upstream, answer

MIB = 1024 * 1024
QUICK = Limits(
    first_request_s=0.3, head_s=0.3, idle_s=0.3, linger_s=0.2, window_s=0.4, least_bytes_per_s=100_000
)


@pytest.fixture(autouse=True)
def tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limits, "TICK_S", 0.02)


@pytest.fixture
def quick(make_gateway: Callable[..., Gateway]) -> Gateway:
    return make_gateway(row("open", "/open", max_body_bytes=100 * MIB, timeout_s=5), limits=QUICK)


def ended(connection: socket.socket) -> bool:
    """Whether the gateway ends the connection without an answer."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_silent_connection_is_closed(quick: Gateway) -> None:
    with quick.connect() as connection:
        assert ended(connection)


@pytest.mark.parametrize("sent", [b"G", b"GET /open/x HTTP/1.1\r\nHost: x\r\nX-A: b", b"\r\n"])
def test_a_head_that_does_not_end_is_408(quick: Gateway, upstream: Upstream, sent: bytes) -> None:
    with quick.connect() as connection:
        connection.sendall(sent)
        if sent == b"\r\n":
            assert ended(connection)
            return
        refused = read_answer(connection)
        assert (refused.status, refused.json()["code"]) == (408, "request_timeout")
        assert refused.headers["connection"] == "close"
        assert ended(connection)
    assert upstream.seen == []


def test_an_idle_connection_is_closed_after_its_answers(quick: Gateway) -> None:
    with quick.connect() as connection:
        for _ in range(2):
            connection.sendall(b"GET /open/x HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(connection).status == 200
        assert ended(connection)


@pytest.mark.parametrize(
    "framing", ["Content-Length: 1000", f"Content-Length: {50 * MIB}", "Transfer-Encoding: chunked"]
)
def test_a_stalled_upload_is_408_and_no_verdict_about_the_service(
    quick: Gateway, upstream: Upstream, framing: str
) -> None:
    for _ in range(6):
        with quick.connect() as connection:
            connection.sendall(f"POST /open/x HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
            refused = read_answer(connection)
            assert (refused.status, refused.json()["code"]) == (408, "request_timeout")
    assert quick.get("/open/x").status == 200
    service = quick.components.directory.upstream("product-service")
    assert all(endpoint.breaker.closed for endpoint in service.endpoints)
    until(lambda: service.in_flight == 0)


def test_an_upload_that_stalls_while_it_streams_is_ended_and_frees_the_service(
    quick: Gateway, upstream: Upstream
) -> None:
    with quick.connect() as connection:
        connection.sendall(b"POST /open/x HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
        connection.sendall(b"x" * 2 * MIB)
        assert read_answer(connection).status == 408
    service = quick.components.directory.upstream("product-service")
    until(lambda: service.in_flight == 0)
    assert all(endpoint.breaker.closed for endpoint in service.endpoints)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /open/x HTTP/1.1\r\nHost:",
        b"POST /open/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
    ],
    ids=["silent", "heads", "bodies"],
)
def test_clients_that_are_overdue_together_are_ended_few_at_once(
    quick: Gateway, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    ended: list[int] = []

    class Recorded(TimeLimits):
        def _tick(self) -> None:
            ended.append(0)
            super()._tick()

        def _end_overdue(self, now: float) -> int:
            return self._noted(super()._end_overdue(now))

        def _judge_bodies(self, now: float, most: int) -> int:
            return self._noted(super()._judge_bodies(now, most))

        def _noted(self, count: int) -> int:
            ended[-1] += count
            return count

    def record() -> None:
        quick.components.door._time_limits.stop()
        Recorded(quick.components.door, quick.loop).start()

    quick.run(record)
    clients = [quick.connect() for _ in range(5 * ENDED_AT_ONCE)]
    for client in clients:
        client.sendall(sent)
    until(lambda: sum(ended) >= len(clients))
    assert max(ended) <= ENDED_AT_ONCE
    for client in clients:
        client.close()


def test_a_client_that_does_not_read_loses_its_connection(quick: Gateway, upstream: Upstream) -> None:
    upstream.answers("/open/big", answer(200, b"x" * 20 * MIB))
    with quick.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(b"GET /open/big HTTP/1.1\r\nHost: x\r\n\r\n")
        service = quick.components.directory.upstream("product-service")
        until(lambda: service.in_flight == 1)
        until(lambda: service.in_flight == 0)
        until(lambda: not quick.components.door.connections)
    assert all(endpoint.breaker.closed for endpoint in service.endpoints)
    assert quick.get("/open/x").status == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /open/big HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /open/big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /open/big HTTP/1.0\r\nHost: x\r\n\r\n\r\n",
    ],
    ids=["kept", "closed", "closed with bytes behind the request"],
)
def test_a_client_that_reads_faster_than_the_least_rate_gets_its_whole_answer(
    make_gateway: Callable[..., Gateway], upstream: Upstream, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(time_limits, "CLOSING_S", 0.5)
    limits = Limits(window_s=0.5, linger_s=0.5, least_bytes_per_s=2000)
    gateway = make_gateway(row("open", "/open"), limits=limits)
    upstream.answers("/open/big", answer(200, b"x" * 400_000))
    received = b""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        connection.connect(("127.0.0.1", gateway.port))
        connection.sendall(sent)
        while received.count(b"x") < 400_000:
            time.sleep(0.05)
            piece = connection.recv(4096)
            assert piece, f"{len(received)} bytes arrived"
            received += piece


def test_an_address_has_a_share_of_the_connections(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(row("open", "/open"), limits=Limits(connections_per_address=3))
    until(lambda: not gateway.components.door.connections)
    held = [gateway.connect() for _ in range(3)]
    until(lambda: len(gateway.components.door.connections) == 3)
    with gateway.connect() as fourth:
        refused = read_answer(fourth)
        assert (refused.status, refused.json()["code"]) == (503, "too_many_connections")
    with socket.create_connection(
        ("127.0.0.1", gateway.port), timeout=5, source_address=("127.0.0.2", 0)
    ) as other:
        other.sendall(b"GET /open/x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_answer(other).status == 200
    for connection in held:
        connection.close()
    until(lambda: not gateway.components.door.connections)
    assert gateway.get("/open/x").status == 200


def test_a_full_gateway_drops_the_connection_that_has_been_silent_for_the_longest_time(
    make_gateway: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "SPARED_S", 0.0)
    gateway = make_gateway(row("open", "/open"), limits=Limits(connections=2))
    until(lambda: not gateway.components.door.connections)
    with gateway.connect() as first, gateway.connect():
        until(lambda: len(gateway.components.door.connections) == 2)
        assert gateway.get("/open/x").status == 200
        assert ended(first)


def test_a_full_gateway_refuses_in_the_error_shape(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(row("open", "/open"), limits=Limits(connections=1))
    until(lambda: not gateway.components.door.connections)
    with gateway.connect():
        until(lambda: len(gateway.components.door.connections) == 1)
        with gateway.connect() as second:
            refused = read_answer(second)
            assert (refused.status, refused.json()["code"]) == (503, "overloaded")


def test_slow_bodies_behind_a_proxy_take_the_room_of_their_own_client_alone(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("open", "/open"), trusted_proxies=networks("127.0.0.0/8"))
    head = "POST /open/x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {}\r\nContent-Length: {}\r\n\r\n"
    with ExitStack() as held:
        slow = [held.enter_context(gateway.connect()) for _ in range(17)]
        for connection in slow:
            connection.sendall(head.format("203.0.113.1", MIB).encode() + b"x" * (MIB - 1))
        refused = select.select(slow, [], [], 30)[0][0]
        assert read_answer(refused).json()["code"] == "overloaded"
        with gateway.connect() as other:
            other.sendall(head.format("203.0.113.2", MIB).encode() + b"x" * (MIB - 1))
            until(lambda: not select.select([other], [], [], 0.2)[0])
            other.sendall(b"x")
            assert read_answer(other).status == 200
    assert [seen.body_bytes for seen in upstream.of("/open")] == [MIB]


def test_answers_do_not_pile_up_for_a_client_that_sends_requests_and_reads_nothing(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("open", "/open"))
    door = gateway.components.door
    until(lambda: not door.connections)
    upstream.answers("/open/big", answer(200, b"x" * 50_000))
    with gateway.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.sendall(b"GET /open/big HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        (held,) = until(lambda: list(door.connections))
        until(lambda: held.is_stalled)
        # Requests at other connections show that nothing more is done for this one.
        for _ in range(20):
            assert gateway.get("/open/x").status == 200
        assert len(upstream.of("/open/big")) < 200
        assert gateway.run(held.transport.get_write_buffer_size) < MIB
        answers = connection.makefile("rb")
        for _ in range(200):
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            while answers.readline() != b"\r\n":
                pass
            assert answers.read(50_000) == b"x" * 50_000
    assert len(upstream.of("/open/big")) == 200


@pytest.mark.parametrize("body", [b"", b"hello"], ids=["without bodies", "with bodies"])
def test_requests_do_not_pile_up_faster_than_they_are_served(
    make_gateway: Callable[..., Gateway], upstream: Upstream, body: bytes
) -> None:
    gateway = make_gateway(row("open", "/open"))
    door = gateway.components.door
    until(lambda: not door.connections)
    request = b"POST /open/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with gateway.connect() as connection:
        connection.setblocking(False)
        most = 0
        while len(upstream.of("/open/x")) < 60:
            with suppress(BlockingIOError):
                connection.send(request * 1000)
            most = max([most, *(len(one._unread) for one in list(door.connections))])
    assert most < MIB


def test_slow_uploads_of_one_client_leave_room_for_those_of_others(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(
        row("open", "/open", max_body_bytes=8 * MIB), trusted_proxies=networks("127.0.0.0/8")
    )
    head = "POST /open/x HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {}\r\nContent-Length: {}\r\n\r\n"
    with ExitStack() as held:
        slow = [held.enter_context(gateway.connect()) for _ in range(STREAMS_PER_INSTANCE)]
        for connection in slow:
            connection.sendall(head.format("203.0.113.1", 8 * MIB).encode() + b"x" * MIB)
        share = STREAMS_PER_INSTANCE // 2
        refused = select.select(slow, [], [], 30)[0][0]
        assert read_answer(refused).json()["code"] == "overloaded"
        other = held.enter_context(gateway.connect())
        other.sendall(head.format("203.0.113.2", 2 * MIB).encode() + b"x" * 2 * MIB)
        assert read_answer(other).status == 200
        streams = gateway.components.forwarder._streams
        until(lambda: set(streams.values()) == {share})
    until(lambda: not any(streams.values()))
