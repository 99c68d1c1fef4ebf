"""WebSockets through real sockets: the policies of every request, then frames in both directions."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from atoll.identity.tokens import LEEWAY_S
from atoll.testing.tokens import claims, sign
from gateway.edge import websocket
from gateway.edge.websocket import FrameFollower
from gateway.tests.harness import Answer, Gateway, read_answer, row, until
from gateway.tests.upstream import Seen, Upstream, answer

USER = "01a222fe-5f81-726c-b1ef-f5887be7a797"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"  # noqa: E501
HELLO = b"\x81\x05hello"


def handshake(path: str = "/chat/x", **fields: str) -> bytes:
    given = {
        "Host": "gateway.test",
        "Connection": "keep-alive, Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


async def echo(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(SWITCH)
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
def chat(make_gateway: Callable[..., Gateway], upstream: Upstream) -> Gateway:
    upstream.behaviours["/chat"] = echo
    upstream.behaviours["/mine"] = echo
    return make_gateway(
        row("chat", "/chat", websocket=True),
        row("mine", "/mine", websocket=True, access="signed_in"),
        row("plain", "/plain"),
    )


def opened(gateway: Gateway, request: bytes) -> tuple[socket.socket, bytes]:
    connection = gateway.connect()
    connection.sendall(request)
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        assert data, head
        head += data
    return connection, head


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        assert piece, data
        data += piece
    return data


def refused(gateway: Gateway, request: bytes) -> Answer:
    with gateway.connect() as connection:
        connection.sendall(request)
        return read_answer(connection)


def close_code(connection: socket.socket) -> int:
    kind, length = exactly(connection, 2)
    assert kind == 0x88
    (code,) = struct.unpack("!H", exactly(connection, length)[:2])
    assert connection.recv(1) == b""
    return int(code)


def test_frames_pass_in_both_directions(chat: Gateway, upstream: Upstream) -> None:
    connection, head = opened(chat, handshake(Sec_WebSocket_Protocol="chat.v1"))
    with connection:
        assert head.startswith(b"HTTP/1.1 101 ") and b"\r\nsec-websocket-accept: " in head.lower()
        assert b"upgrade: websocket\r\n" in head.lower() and b"connection: upgrade\r\n" in head.lower()
        connection.sendall(HELLO)
        assert exactly(connection, len(HELLO)) == HELLO
    seen = upstream.of("/chat")[0]
    assert (seen.header("upgrade"), seen.header("connection")) == ("websocket", "upgrade")
    assert (seen.header("sec-websocket-key"), seen.header("sec-websocket-protocol")) == (KEY, "chat.v1")
    assert seen.header("x-forwarded-host") == "gateway.test"


def test_frames_that_come_with_the_handshake_are_not_lost(chat: Gateway) -> None:
    connection, head = opened(chat, handshake() + HELLO)
    with connection:
        echoed = head.partition(b"\r\n\r\n")[2]
        assert echoed + exactly(connection, len(HELLO) - len(echoed)) == HELLO


def test_many_frames_behind_the_handshake_do_not_end_the_reading(chat: Gateway) -> None:
    message = b"\x82\x7f" + struct.pack("!Q", 300_000) + b"x" * 300_000
    connection, head = opened(chat, handshake() + message)
    with connection:
        echoed = head.partition(b"\r\n\r\n")[2]
        assert echoed + exactly(connection, len(message) - len(echoed)) == message
        connection.sendall(HELLO)
        assert exactly(connection, len(HELLO)) == HELLO


def test_much_data_waits_for_a_slow_reader(chat: Gateway) -> None:
    connection, _ = opened(chat, handshake())
    message = b"\x82\x7f" + struct.pack("!Q", 8 * 1024 * 1024) + b"x" * 8 * 1024 * 1024
    with connection:
        connection.settimeout(10)
        sent = 0
        received = b""
        connection.setblocking(False)
        while sent < len(message) or len(received) < len(message):
            with suppress(BlockingIOError):
                sent += connection.send(message[sent : sent + 65_536]) if sent < len(message) else 0
            with suppress(BlockingIOError):
                received += connection.recv(65_536)
        assert received == message


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"Sec_WebSocket_Key": ""}, 400, "websocket_handshake"),
        ({"Sec_WebSocket_Key": "short"}, 400, "websocket_handshake"),
        ({"Sec_WebSocket_Key": "!" * 24}, 400, "websocket_handshake"),
        ({"Connection": "keep-alive"}, 400, "websocket_handshake"),
        ({"Sec_WebSocket_Version": "8"}, 426, "websocket_version"),
        ({"Sec_WebSocket_Version": ""}, 426, "websocket_version"),
        ({"Origin": "https://evil.test"}, 403, "origin_not_allowed"),
        ({"Content_Length": "3"}, 400, "websocket_handshake"),
    ],
)
def test_a_malformed_handshake_reaches_no_service(
    chat: Gateway, upstream: Upstream, fields: dict[str, str], status: int, code: str
) -> None:
    answer_ = refused(chat, handshake(**fields))
    assert (answer_.status, answer_.json()["code"]) == (status, code)
    assert upstream.of("/chat") == []


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/mine/x", {}, 401),
        ("/mine/x", {"Authorization": "Bearer nonsense"}, 403),
        ("/plain/x", {}, 501),
        ("/nowhere", {}, 404),
        ("/chat/../admin", {}, 400),
    ],
)
def test_a_websocket_passes_the_policies_of_every_request(
    chat: Gateway, upstream: Upstream, path: str, fields: dict[str, Any], status: int
) -> None:
    assert refused(chat, handshake(path, **fields)).status == status
    assert [seen for seen in upstream.seen if not seen.target.startswith("/.well-known")] == []


def test_the_services_own_page_may_open_one(chat: Gateway) -> None:
    connection, head = opened(chat, handshake(Origin="https://gateway.test"))
    connection.close()
    assert b" 101 " in head


def test_a_service_that_refuses_is_relayed(chat: Gateway, upstream: Upstream) -> None:
    upstream.answers("/chat", answer(409, b'{"error": "full"}'))
    assert refused(chat, handshake()).json() == {"error": "full"}


def test_a_service_that_ends_ends_the_client_and_a_client_that_ends_the_service(
    chat: Gateway, upstream: Upstream
) -> None:
    connection, _ = opened(chat, handshake())
    with connection:
        upstream.drop_idle_connections()
        assert connection.recv(1) == b""
    connection, _ = opened(chat, handshake())
    connection.close()
    until(lambda: not chat.components.door.spliced and not chat.components.door.connections)
    assert chat.components.directory.upstream("product-service").in_flight == 0


def test_a_token_that_ends_closes_the_socket_with_4401(
    chat: Gateway, monkeypatch: pytest.MonkeyPatch, upstream: Upstream
) -> None:
    monkeypatch.setattr(websocket, "CHECK_EVERY_S", 0.05)
    token = sign(claims(USER, roles=["customer"]) | {"exp": int(time.time()) - LEEWAY_S + 2})
    connection, _ = opened(chat, handshake("/mine/x", Authorization=f"Bearer {token}"))
    with connection:
        connection.sendall(HELLO)
        assert exactly(connection, len(HELLO)) == HELLO
        assert close_code(connection) == 4401


def test_draining_closes_the_socket_with_1001_between_two_frames(chat: Gateway, upstream: Upstream) -> None:
    connection, _ = opened(chat, handshake())
    with connection:
        connection.sendall(HELLO[:4])
        assert exactly(connection, 4) == HELLO[:4]
        chat.run(chat.components.door.drain)
        connection.sendall(HELLO[4:])
        assert exactly(connection, 3) == HELLO[4:]
        assert close_code(connection) == 1001


@pytest.mark.parametrize(
    ("data", "is_between"),
    [
        (b"", True),
        (HELLO, True),
        (HELLO + HELLO, True),
        (HELLO[:1], False),
        (HELLO[:4], False),
        (b"\x89\x00", True),
        (b"\x82\x7e\x01\x00" + b"x" * 256, True),
        (b"\x82\x7e\x01", False),
        (b"\x82\x7f" + struct.pack("!Q", 70_000) + b"x" * 69_999, False),
        (b"\x82\x7f" + struct.pack("!Q", 70_000) + b"x" * 70_000, True),
        (b"\x81\x85\x01\x02\x03\x04hello", True),
        (b"\x81\x85\x01\x02\x03\x04hell", False),
    ],
)
def test_any_split_of_frames_gives_the_same_boundaries(data: bytes, is_between: bool) -> None:
    whole, pieces = FrameFollower(), FrameFollower()
    whole.feed(data)
    for index in range(len(data)):
        pieces.feed(data[index : index + 1])
    assert (whole.is_between, pieces.is_between) == (is_between, is_between)
