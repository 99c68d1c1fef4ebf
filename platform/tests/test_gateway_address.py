"""The gateway's own address, with and without a certificate."""

import asyncio
import ssl
from pathlib import Path

import pytest

from atoll import conf
from atoll.dev import probes
from gateway.tests.certificates import write_certificate

NAMES = ("GATEWAY_URL", "GATEWAY_PUBLIC_URL", "GATEWAY_TLS_CERTIFICATE", "TLS_CERTIFICATE", "ADMIN_HOST")
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_without_a_certificate_it_is_on_the_loopback_address() -> None:
    port = conf.project("gateway").port
    assert conf.gateway_url() == f"http://127.0.0.1:{port}"
    assert conf.public_urls("gateway")[0] == f"http://127.0.0.1:{port}"


def test_with_a_certificate_it_is_under_the_name_that_certificates_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_TLS_CERTIFICATE", "/run/gateway.pem")
    port = conf.project("gateway").port
    assert conf.gateway_url() == f"https://localhost:{port}"
    assert conf.public_urls("gateway") == (f"https://localhost:{port}", f"https://127.0.0.1:{port}")
    assert conf.public_urls("orders")[0].startswith("http://")


def test_an_address_that_is_given_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_TLS_CERTIFICATE", "/run/gateway.pem")
    monkeypatch.setenv("GATEWAY_URL", "https://shop.example/")
    assert conf.gateway_url() == "https://shop.example"


def test_the_probe_of_readiness_speaks_tls_and_asks_for_no_name(tmp_path: Path) -> None:
    certificate = tmp_path / "gateway.pem"
    write_certificate(certificate, "shop.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        writer.close()

    async def ask() -> tuple[bool, bool]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await probes.http(port, tls=True)(), await probes.http(port)()

    assert asyncio.run(ask()) == (True, False)
