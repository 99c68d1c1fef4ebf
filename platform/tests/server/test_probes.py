"""Probes as orchestrators send them, on a socket: by address, and in HTTP/1.0 without a Host."""

import socket

import pytest

PROBES = ("/health", "/health/live", "/health/ready")
HEADS = {
    "HTTP/1.0 without Host": "GET {} HTTP/1.0\r\n\r\n",
    "HTTP/1.0 with an address": "GET {} HTTP/1.0\r\nHost: 10.1.2.3:8001\r\n\r\n",
    "HTTP/1.1 with an address": "GET {} HTTP/1.1\r\nHost: 10.1.2.3:8001\r\nConnection: close\r\n\r\n",
    "HTTP/1.1 with a name": "GET {} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
}


def status(port: int, head: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head.encode())
        return connection.makefile("rb").readline().decode().split()[1]


@pytest.fixture(scope="module")
def ports(world):
    """A project on WSGI and one on ASGI, both on Granian."""
    served = world.serve("--port", "0")
    [instance] = world.wait_for(1)
    yield {"wsgi": instance["port"], "asgi": world.registry_port}
    assert served.terminate() == 0


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
@pytest.mark.parametrize("head", HEADS)
def test_a_probe_is_answered(ports, server, head):
    assert {path: status(ports[server], HEADS[head].format(path)) for path in PROBES} == dict.fromkeys(
        PROBES, "200"
    )


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_other_pages_still_refuse_a_foreign_host(ports, server):
    assert status(ports[server], HEADS["HTTP/1.1 with a name"].format("/metrics")) == "400"
