"""The gateway behind nginx and Caddy as deploy/ has them: HTTP/2 towards clients, HTTP/1.1 towards us."""

import asyncio
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from atoll.addresses import networks
from gateway.tests import terminators
from gateway.tests.certificates import write_certificate
from gateway.tests.harness import Gateway, row
from gateway.tests.terminators import HOST
from gateway.tests.test_websockets import HELLO, echo, exactly, handshake
from gateway.tests.upstream import Seen, Upstream

CLIENT = "127.0.0.5"
CURL_S = 60.0
MIB = 1024 * 1024
STARTS = {"nginx": terminators.nginx, "caddy": terminators.caddy}


@pytest.fixture
def gateway(make_gateway: Callable[..., Gateway], upstream: Upstream) -> Gateway:
    """It trusts 127.0.0.1, where the terminator is; the client is at CLIENT."""
    upstream.behaviours["/chat"] = echo
    return make_gateway(
        row("open", "/open", max_body_bytes=16 * MIB),
        row("chat", "/chat", websocket=True),
        trusted_proxies=networks("127.0.0.1/32"),
        admin_networks=networks("127.0.0.0/8"),
    )


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "shop.pem"
    write_certificate(path, HOST)
    return path


@pytest.fixture(params=STARTS)
def front(
    request: pytest.FixtureRequest, gateway: Gateway, certificate: Path, tmp_path: Path
) -> Iterator[int]:
    """The terminator's port."""
    name = request.param
    for needed in (name, "curl"):
        if terminators.program(needed) is None:
            pytest.skip(f"no {needed} on this machine (Debian: {needed})")
    with STARTS[name](tmp_path, gateway.port, certificate) as port:
        yield port


class Curl:
    """Asks the terminator as HOST, from CLIENT, with HTTP/2."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._url = f"https://{HOST}:{port}"
        self._fixed = [
            *("curl", "--silent", "--show-error", "--http2", "--interface", CLIENT, "--max-time", "50"),
            *("--cacert", str(certificate), "--resolve", f"{HOST}:{port}:127.0.0.1"),
        ]

    def command(self, path: str, *options: str) -> list[str]:
        return [*self._fixed, *options, self._url + path]

    def ask(self, path: str, *options: str, body: bytes | None = None) -> tuple[int, str, str]:
        """The status, the version of HTTP and the body of the answer."""
        shown = "\n%{http_code} %{http_version}"
        done = subprocess.run(
            self.command(path, "--write-out", shown, *options),
            input=body,
            capture_output=True,
            timeout=CURL_S,
            check=True,
        )
        text, _, told = done.stdout.decode().rpartition("\n")
        status, version = told.split()
        return int(status), version, text


@pytest.fixture
def curl(front: int, certificate: Path) -> Curl:
    return Curl(front, certificate)


def test_http_2_of_a_client_reaches_the_service_with_its_true_address(curl: Curl, upstream: Upstream) -> None:
    status, version, text = curl.ask(
        "/open/a%20b?x=%2F",
        *("--header", "X-Forwarded-For: 198.51.100.7", "--header", "X-Forwarded-Proto: http"),
        *("--header", "X-Forwarded-Host: evil.example", "--header", "X-User-ID: 1"),
    )
    assert (status, version) == (200, "2")
    assert json.loads(text)["target"] == "/open/a%20b?x=%2F"
    seen = upstream.of("/open")[-1]
    assert seen.header("x-forwarded-for") == CLIENT
    assert seen.header("x-forwarded-proto") == "https"
    assert (seen.header("x-forwarded-host") or "").partition(":")[0] == HOST
    assert seen.header("x-user-id") is None


def test_only_the_terminator_is_believed(gateway: Gateway, front: int, upstream: Upstream) -> None:
    subprocess.run(
        [
            *("curl", "--silent", "--interface", CLIENT, "--max-time", "50"),
            *("--header", "X-Forwarded-For: 198.51.100.7", "--header", "X-Forwarded-Proto: https"),
            f"http://127.0.0.1:{gateway.port}/open/direct",
        ],
        check=True,
        capture_output=True,
        timeout=CURL_S,
    )
    seen = upstream.of("/open/direct")[-1]
    assert seen.header("x-forwarded-for") == CLIENT
    assert seen.header("x-forwarded-proto") == "http"


def test_an_upload_without_a_length_arrives_whole(curl: Curl, upstream: Upstream) -> None:
    status, version, text = curl.ask("/open/up", "--upload-file", "-", body=b"x" * 5 * MIB)
    assert (status, version, json.loads(text)["bytes"]) == (200, "2", 5 * MIB)


def test_a_refusal_of_the_gateway_keeps_its_shape(curl: Curl) -> None:
    status, version, text = curl.ask("/nowhere")
    assert (status, version, json.loads(text)["code"]) == (404, "2", "route_not_found")


@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/login/", "/%61dmin/", "/console/"])
def test_the_admin_is_not_at_the_shops_name(curl: Curl, upstream: Upstream, path: str) -> None:
    assert curl.ask(path, "--path-as-is")[0] == 404
    assert [seen.target for seen in upstream.seen if seen.target != "/.well-known/jwks.json"] == []


def test_answers_over_tls_ask_browsers_to_stay_with_it(curl: Curl) -> None:
    _, _, text = curl.ask("/open/x", "--dump-header", "-", "--output", "/dev/null")
    assert "strict-transport-security: max-age=31536000" in text.lower()


def test_events_reach_the_client_one_by_one(curl: Curl, upstream: Upstream) -> None:
    more = threading.Event()

    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await writer.drain()
        assert await asyncio.to_thread(more.wait, 30)
        writer.write(b"data: 2\n\n")
        writer.close()

    upstream.behaviours["/open/events"] = behave
    with subprocess.Popen(curl.command("/open/events", "--no-buffer"), stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == b"data: 1\n"
        more.set()
        assert asking.stdout.read() == b"\ndata: 2\n\n"
    assert asking.returncode == 0


def test_a_websocket_passes(front: int, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=str(certificate))
    context.set_alpn_protocols(["http/1.1"])
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", front), 30), server_hostname=HOST
    ) as chat:
        chat.sendall(handshake(Host=HOST))
        head = b""
        while b"\r\n\r\n" not in head:
            data = chat.recv(1)
            assert data, head
            head += data
        assert head.startswith(b"HTTP/1.1 101 ")
        chat.sendall(HELLO)
        assert exactly(chat, len(HELLO)) == HELLO
