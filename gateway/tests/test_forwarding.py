"""One exchange through real sockets: client, edge, upstream."""

import asyncio
import json
import threading
from collections.abc import Callable

import psutil
import pytest

from gateway.tests.harness import Answer, Gateway, read_answer, row, until
from gateway.tests.upstream import Seen, Upstream, answer

MIB = 1024 * 1024


def test_the_prefix_becomes_the_services_path_and_the_query_stays_as_it_was(
    gateway: Gateway, upstream: Upstream
) -> None:
    answer_ = gateway.get("/shop/7?search=a%20b&x=%2F")

    assert answer_.status == 200
    assert upstream.seen[-1].target == "/products/7?search=a%20b&x=%2F"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_body_arrives_whole_with_one_framing(gateway: Gateway, upstream: Upstream, method: str) -> None:
    body = json.dumps({"a": "ä" * 1000}).encode()

    assert gateway.request(method, "/open/things", body).status == 200
    assert (upstream.seen[-1].method, upstream.seen[-1].body) == (method, body)
    assert upstream.seen[-1].header("content-length") == str(len(body))


def test_a_head_request_gets_the_length_and_no_body(gateway: Gateway) -> None:
    answer_ = gateway.request("HEAD", "/open/page")

    assert answer_.status == 200 and int(answer_.headers["content-length"]) > 0
    assert gateway.get("/open/page").status == 200


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_body_stays_without(gateway: Gateway, upstream: Upstream, status: int) -> None:
    upstream.answers("/open", b'HTTP/1.1 %d X\r\nETag: "1"\r\n\r\n' % status)

    for _ in range(2):
        answer_ = gateway.get("/open/x")
        assert (answer_.status, answer_.body) == (status, b"")
    assert upstream.seen[-1].connection == upstream.seen[-2].connection


def test_interim_answers_are_passed_over(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/open", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(201, b'{"a":1}'))

    answer_ = gateway.get("/open/x")
    assert (answer_.status, answer_.json(), "link" in answer_.headers) == (201, {"a": 1}, False)


TRAILING = b"0\r\nX-Sum: 7\r\nContent-Length: 1\r\nLocation: http://10.0.0.3:8000/x\r\nServer: y\r\n\r\n"


@pytest.mark.parametrize("pause_s", [0.0, 0.05], ids=["in one piece", "after the body"])
@pytest.mark.parametrize(("asks", "told"), [("TE: trailers\r\n", b"X-Sum: 7\r\n"), ("", b"")])
def test_trailers_reach_a_client_that_takes_them(
    gateway: Gateway, upstream: Upstream, pause_s: float, asks: str, told: bytes
) -> None:
    async def behave(seen: Seen, reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        if pause_s:
            await writer.drain()
            await asyncio.sleep(pause_s)
        writer.write(TRAILING)

    upstream.behaviours["/open/sum"] = behave
    with gateway.connect() as connection:
        connection.sendall(f"GET /open/sum HTTP/1.1\r\nHost: x\r\n{asks}\r\n".encode())
        received = b""
        while not received.endswith(b"0\r\n" + told + b"\r\n"):
            received += connection.recv(4096)
    assert received.partition(b"\r\n\r\n")[2] == b"5\r\nhello\r\n0\r\n" + told + b"\r\n"


@pytest.mark.parametrize("status", [400, 404, 409, 500, 503])
def test_the_services_own_answer_is_relayed_unchanged(
    gateway: Gateway, upstream: Upstream, status: int
) -> None:
    upstream.answers("/open", answer(status, b'{"error": "mine"}', "X-Own: 1"))

    answer_ = gateway.request("POST", "/open/x", b"{}")
    assert (answer_.status, answer_.body, answer_.headers["x-own"]) == (status, b'{"error": "mine"}', "1")


def test_connections_to_a_service_are_used_again(gateway: Gateway, upstream: Upstream) -> None:
    for _ in range(20):
        assert gateway.get("/open/x").status == 200
    assert upstream.connections == 1


def test_events_reach_the_client_one_by_one(gateway: Gateway, upstream: Upstream) -> None:
    more = threading.Event()

    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await writer.drain()
        assert await asyncio.to_thread(more.wait, 5)
        writer.write(b"data: 2\n\n")
        writer.close()

    upstream.behaviours["/open/events"] = behave
    with gateway.connect() as connection:
        connection.sendall(b"GET /open/events HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while b"data: 1\n\n" not in received:
            received += connection.recv(4096)
        assert b"data: 2" not in received
        more.set()
        while not received.endswith(b"0\r\n\r\n"):
            received += connection.recv(4096)
    assert b"data: 2\n\n" in received


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_upload_flows_through_without_being_held(
    make_gateway: Callable[..., Gateway], upstream: Upstream, chunked: bool
) -> None:
    gateway = make_gateway(row("big", "/big", max_body_bytes=100 * MIB))
    process, piece = psutil.Process(), b"x" * MIB
    with gateway.connect() as connection:
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {64 * MIB}"
        connection.sendall(f"POST /big/file HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
        before, most = process.memory_info().rss, 0
        for _ in range(64):
            connection.sendall(b"%x\r\n%b\r\n" % (MIB, piece) if chunked else piece)
            most = max(most, process.memory_info().rss)
        if chunked:
            connection.sendall(b"0\r\n\r\n")
        assert read_answer(connection).json()["bytes"] == 64 * MIB
    assert most - before < 20 * MIB


def test_a_large_download_waits_for_a_slow_reader(gateway: Gateway, upstream: Upstream) -> None:
    written = 0

    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MIB))
        for _ in range(64):
            writer.write(b"x" * MIB)
            await writer.drain()
            written += MIB

    upstream.behaviours["/open/big"] = behave
    with gateway.connect() as connection:
        connection.sendall(b"GET /open/big HTTP/1.1\r\nHost: x\r\n\r\n")
        head = connection.recv(1024)
        until(lambda: written >= MIB)
        assert written < 32 * MIB
        received = len(head) - head.index(b"\r\n\r\n") - 4
        while received < 64 * MIB:
            received += len(connection.recv(MIB))
    assert received == 64 * MIB


def test_a_body_over_the_limit_is_refused_before_it_is_sent(gateway: Gateway, upstream: Upstream) -> None:
    before = len(upstream.seen)
    answer_ = gateway.request("POST", "/small/x", b"x" * 101)

    assert (answer_.status, answer_.json()["error"]) == (413, "Request body too large")
    assert len(upstream.seen) == before
    assert gateway.request("POST", "/small/x", b"x" * 100).json()["bytes"] == 100


def test_a_chunked_body_over_the_limit_is_cut_off_while_it_streams(
    gateway: Gateway, upstream: Upstream
) -> None:
    with gateway.connect() as connection:
        connection.sendall(b"POST /small/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            connection.sendall(b"32\r\n" + b"x" * 50 + b"\r\n")
        assert read_answer(connection).status == 413
    assert upstream.of("/small") == []


@pytest.mark.parametrize("fields", [b"", b"Host: a\r\nHost: b\r\n", b"Host: a b\r\n", b"Host: <script>\r\n"])
def test_a_request_that_names_no_host_or_two_is_refused(
    gateway: Gateway, upstream: Upstream, fields: bytes
) -> None:
    refused = gateway.raw(b"GET /open/x HTTP/1.1\r\n" + fields + b"\r\n")
    assert (refused.status, refused.json()["code"]) == (400, "invalid_host")
    assert upstream.of("/open") == []


def test_a_path_that_only_begins_like_a_probe_needs_a_host(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("healthcare", "/healthcare"))
    for fields in (b"", b"Host: <script>\r\n"):
        assert gateway.raw(b"GET /healthcare/x HTTP/1.1\r\n" + fields + b"\r\n").status == 400
    assert upstream.of("/healthcare") == []
    assert gateway.get("/healthcare/x").status == 200


def test_a_body_whose_chunks_are_malformed_is_refused_in_the_error_shape(
    gateway: Gateway, upstream: Upstream
) -> None:
    refused = gateway.raw(
        b"POST /open/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"
    )
    assert (refused.status, refused.json()["code"]) == (400, "body_broken_off")
    assert upstream.of("/open") == []


def test_an_answer_before_the_end_of_the_upload_reaches_the_client(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("early", "/early", service_path="/early", max_body_bytes=100 * MIB))
    upstream.answers("/early", answer(409, b'{"error": "Conflict"}', "Connection: close"))
    with gateway.connect() as connection:
        connection.sendall(
            b"POST /early/x HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 100_000
        )
        assert read_answer(connection).status == 409


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
def test_an_answer_that_breaks_off_is_not_made_to_look_whole(
    gateway: Gateway, upstream: Upstream, raw: bytes
) -> None:
    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.close()

    upstream.behaviours["/open"] = behave
    with pytest.raises(ConnectionError):
        gateway.get("/open/x")


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_clear_answer_becomes_503(gateway: Gateway, upstream: Upstream, raw: bytes) -> None:
    upstream.answers("/open", raw)

    answer_ = gateway.get("/open/x")
    assert (answer_.status, answer_.json()["error"]) == (503, "Service temporarily unavailable")


def test_a_client_that_leaves_ends_the_work_upstream(gateway: Gateway, upstream: Upstream) -> None:
    ended = threading.Event()

    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        ended.set()
        writer.close()

    upstream.behaviours["/open/slow"] = behave
    connection = gateway.connect()
    connection.sendall(b"GET /open/slow HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: upstream.of("/open/slow"))
    connection.close()
    assert ended.wait(3)
    until(lambda: gateway.components.directory.upstream("product-service").in_flight == 0)


def test_a_service_that_says_nothing_times_out_with_504(gateway: Gateway, upstream: Upstream) -> None:
    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    upstream.behaviours["/brief"] = behave
    answer_ = gateway.get("/brief/x")
    assert (answer_.status, answer_.json()["code"]) == (504, "upstream_timeout")
    assert len(upstream.of("/brief")) == 1


def test_slow_requests_of_one_service_do_not_slow_another(
    gateway: Gateway, upstream: Upstream, make_upstream: Callable[[], Upstream]
) -> None:
    slow = make_upstream()
    gateway.knows("product-service", slow)
    gateway.knows("user-service", upstream)
    release = threading.Event()

    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not release.is_set():
            await asyncio.sleep(0.1)
        writer.write(answer(200, b"{}"))

    slow.behaviours["/"] = behave
    gateway.publish(
        {
            "version": 2,
            "routes": [row("slow", "/slow"), row("fast", "/fast", service="user-service")],
            "cors": {},
        }
    )
    waiting = [gateway.connect() for _ in range(100)]
    for connection in waiting:
        connection.sendall(b"GET /slow/x HTTP/1.1\r\nHost: x\r\n\r\n")
    until(lambda: len(slow.seen) == 100)
    assert [gateway.get("/fast/x").status for _ in range(20)] == [200] * 20
    release.set()
    answers: list[Answer] = [read_answer(connection) for connection in waiting]
    for connection in waiting:
        connection.close()
    assert {one.status for one in answers} == {200}
