"""nginx and HAProxy as proxies in front of a service, with the limits that our gateway has."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from atoll.dev import ports

SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin"
START_S = 10.0
NGINX = """
daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; client_header_timeout 1s; client_body_timeout 1s; lingering_timeout 1s;
  client_body_temp_path {home}/b; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s; client_max_body_size 1m;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{service}; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""
HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client 1s
  timeout server 2s
  timeout http-request 1s
frontend gateway
  bind 127.0.0.1:{port}
  default_backend service
backend service
  server one 127.0.0.1:{service}
"""


def program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}")


@contextlib.contextmanager
def nginx(home: Path, service: int) -> Iterator[int]:
    """The port of an nginx that forwards everything to ``service``."""
    port, configuration = ports.free(), home / "nginx.conf"
    configuration.write_text(NGINX.format(home=home, port=port, service=service))
    command = [str(program("nginx")), "-e", str(home / "nginx.error.log"), "-c", str(configuration)]
    with _running(command, port):
        yield port


@contextlib.contextmanager
def haproxy(home: Path, service: int) -> Iterator[int]:
    """The port of a HAProxy that forwards everything to ``service``."""
    port, configuration = ports.free(), home / "haproxy.cfg"
    configuration.write_text(HAPROXY.format(port=port, service=service))
    with _running([str(program("haproxy")), "-db", "-f", str(configuration)], port):
        yield port


@contextlib.contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
