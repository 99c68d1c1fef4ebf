"""The peers: nginx, HAProxy and Caddy as bare proxies, the usual Express gateway, a Django async view.

Each has one core, two instances behind it, and connections to them that stay.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from atoll import conf
from atoll.identity.tokens import AUDIENCE, issuer
from bench.gateway import processes, tools
from bench.gateway.ours import ORIGIN
from bench.gateway.processes import Server
from bench.gateway.service import USER
from bench.gateway.surroundings import Surroundings

NGINX = """
{user} daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.error.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 16000; multi_accept on; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s; tcp_nodelay on;
  client_max_body_size 1m; client_body_buffer_size 64k; proxy_buffers 16 16k;
  client_body_temp_path {home}/nb; proxy_temp_path {home}/np; fastcgi_temp_path {home}/nf;
  uwsgi_temp_path {home}/nu; scgi_temp_path {home}/ns;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream service {{ server 127.0.0.1:{ports[0]}; server 127.0.0.1:{ports[1]}; keepalive 128;
    keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    location /api/ {{
      proxy_pass http://service/; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""
HAPROXY = """
global
  maxconn 9000
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
  option http-keep-alive
  http-reuse always
frontend gateway
  bind 127.0.0.1:{port} backlog 8192
  http-request set-path %[path,regsub(^/api/,/)]
  default_backend service
backend service
  balance roundrobin
  server one 127.0.0.1:{ports[0]} pool-max-conn 1000
  server two 127.0.0.1:{ports[1]} pool-max-conn 1000
"""
CADDY = """
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  uri strip_prefix /api
  reverse_proxy 127.0.0.1:{ports[0]} 127.0.0.1:{ports[1]} {{
    lb_policy round_robin
    transport http {{
      keepalive_idle_conns_per_host 512
    }}
  }}
}}
"""

Peer = Callable[[Path, Surroundings, list[int], int], AbstractContextManager[Server]]
PATH = "/api/products"


@contextmanager
def nginx(home: Path, around: Surroundings, ports: list[int], core: int) -> Iterator[Server]:
    port, configuration = processes.free_port(), home / "nginx.conf"
    configuration.write_text(NGINX.format(user=USER, home=home, port=port, ports=ports))
    command = [str(tools.program("nginx")), "-e", str(home / "nginx.error.log"), "-c", str(configuration)]
    with processes.running("nginx", command, port, core, home / "nginx.log", path=PATH) as server:
        yield server


@contextmanager
def haproxy(home: Path, around: Surroundings, ports: list[int], core: int) -> Iterator[Server]:
    port, configuration = processes.free_port(), home / "haproxy.cfg"
    configuration.write_text(HAPROXY.format(port=port, ports=ports))
    command = [str(tools.program("haproxy")), "-db", "-f", str(configuration)]
    with processes.running("haproxy", command, port, core, home / "haproxy.log", path=PATH) as server:
        yield server


@contextmanager
def caddy(home: Path, around: Surroundings, ports: list[int], core: int) -> Iterator[Server]:
    port, configuration = processes.free_port(), home / "Caddyfile"
    configuration.write_text(CADDY.format(port=port, ports=ports))
    command = [str(tools.program("caddy")), "run", "--config", str(configuration), "--adapter", "caddyfile"]
    one_core = os.environ | {"GOMAXPROCS": "1", "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    with processes.running(
        "caddy", command, port, core, home / "caddy.log", environment=one_core, path=PATH
    ) as server:
        yield server


@contextmanager
def express(home: Path, around: Surroundings, ports: list[int], core: int) -> Iterator[Server]:
    port, folder = processes.free_port(), tools.express(home)
    variables = os.environ | {
        "PORT": str(port),
        "REDIS_URL": around.redis_url,
        "BACKENDS": ",".join(f"http://127.0.0.1:{one}" for one in ports),
        "PUBLIC_KEY": str(around.public_key),
        "ISSUER": issuer(),
        "AUDIENCE": AUDIENCE,
        "LOG": str(home / "express.access.log"),
        "ORIGIN": ORIGIN,
        "NODE_ENV": "production",
    }
    with processes.running(
        "express", ["node", "gateway.js"], port, core, home / "express.log",
        environment=variables, folder=folder, path=PATH,
    ) as server:  # fmt: skip
        yield server


@contextmanager
def django(home: Path, around: Surroundings, ports: list[int], core: int) -> Iterator[Server]:
    """It answers itself and forwards nothing: the least that an async view of Django costs."""
    port = processes.free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--http", "1", "--no-ws"]
    command += ["--loop", "uvloop", "--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    variables = os.environ | {"PYTHONPATH": f"{conf.root()}{os.pathsep}{conf.root() / 'platform'}"}
    with processes.running(
        "django", [*command, "bench.gateway.django_view:application"], port, core, home / "django.log",
        environment=variables, path=PATH,
    ) as server:  # fmt: skip
        yield server


PEERS: dict[str, Peer] = {
    "nginx": nginx,
    "haproxy": haproxy,
    "caddy": caddy,
    "express": express,
    "django": django,
}
