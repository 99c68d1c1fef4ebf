"""nginx and Caddy with the configuration of deploy/, as TLS terminators in front of a gateway."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from atoll import conf
from atoll.dev import ports

SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin"
START_S = 30.0
NGINX = """
{user} daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  include {home}/gateway.conf;
}}
"""
# A worker of another user could not use the folder of this run.
USER = "user root;" if os.geteuid() == 0 else ""
HOST = "shop.example.com"


def program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}")


@contextlib.contextmanager
def nginx(home: Path, gateway: int, certificate: Path) -> Iterator[int]:
    """The port of nginx with deploy/nginx/gateway.conf, but for port, certificate and upstream."""
    port = ports.free()
    shipped = (conf.root() / "deploy" / "nginx" / "gateway.conf").read_text()
    for old, new in (
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{gateway};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port} ssl http2;"),
        ("/etc/ssl/shop.example.com.pem", str(certificate)),
        ("/etc/ssl/shop.example.com.key", str(certificate)),
    ):
        assert shipped.count(old) == 1, old
        shipped = shipped.replace(old, new)
    (home / "gateway.conf").write_text(shipped)
    configuration = home / "nginx.conf"
    configuration.write_text(NGINX.format(home=home, user=USER))
    command = [str(program("nginx")), "-e", str(home / "nginx.error.log"), "-c", str(configuration)]
    with _running(command, port, dict(os.environ)):
        yield port


@contextlib.contextmanager
def caddy(home: Path, gateway: int, certificate: Path) -> Iterator[int]:
    """The port of Caddy with deploy/caddy/Caddyfile, but for port and certificate."""
    port = ports.free()
    environment = os.environ | {
        "SHOP_HOST": HOST,
        "GATEWAY": f"127.0.0.1:{gateway}",
        "HOME": str(home),
        "XDG_DATA_HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
    }
    shipped = conf.root() / "deploy" / "caddy" / "Caddyfile"
    adapted = subprocess.run(
        [str(program("caddy")), "adapt", "--config", str(shipped), "--adapter", "caddyfile"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    document = json.loads(adapted.stdout)
    document["admin"] = {"disabled": True}
    http = document["apps"]["http"]
    http |= {"http_port": ports.free(), "https_port": port}
    for server in http["servers"].values():
        server["listen"] = [f"127.0.0.1:{port}"]
        server["automatic_https"] = {"disable": True}  # it would fetch certificates for HOST
    document["apps"]["tls"] = {
        "certificates": {"load_files": [{"certificate": str(certificate), "key": str(certificate)}]}
    }
    for server in http["servers"].values():
        server["tls_connection_policies"] = [{}]
    path = home / "caddy.json"
    path.write_text(json.dumps(document))
    with _running([str(program("caddy")), "run", "--config", str(path)], port, environment):
        yield port


@contextlib.contextmanager
def _running(command: list[str], port: int, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            assert process.poll() is None, f"{command[0]} ended"
            assert time.monotonic() < end, f"{command[0]} does not listen"
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()
