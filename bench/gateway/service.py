"""The service behind every gateway: nginx, which answers faster than any of them asks.

Two instances, as two ports of one server. ``/products/small`` answers 0.5 kB, ``/products/large`` 64 kB,
``/products/huge`` 256 MB. It takes bodies up to 1 MB.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.gateway import processes, tools
from bench.gateway.processes import Server

SMALL = json.dumps({"products": "x" * 480})
# A worker of another user could not read the files of this run.
USER = "user root;" if os.geteuid() == 0 else ""
HUGE_BYTES = 256 * 1024 * 1024
LARGE = json.dumps({"products": "x" * 65_500})
CONFIGURATION = """
{user} daemon off; worker_processes 1; pid {home}/service.pid; error_log {home}/service.error.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 16000; multi_accept on; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s; sendfile on; tcp_nodelay on;
  default_type application/json; client_max_body_size 1m; client_body_buffer_size 64k;
  client_body_temp_path {home}/bodies; proxy_temp_path {home}/p; fastcgi_temp_path {home}/f;
  uwsgi_temp_path {home}/u; scgi_temp_path {home}/s; open_file_cache max=10;
  server {{
    listen 127.0.0.1:{ports[0]} backlog=8192; listen 127.0.0.1:{ports[1]} backlog=8192;
    location = /products/small {{ return 200 '{small}'; }}
    location = /products/large {{ alias {home}/large.json; }}
    location = /products/huge {{ alias {home}/huge; }}
  }}
}}
"""


@contextmanager
def running(home: Path, core: int) -> Iterator[tuple[Server, list[int]]]:
    """The service, and the ports of its two instances."""
    ports = [processes.free_port(), processes.free_port()]
    (home / "large.json").write_text(LARGE)
    with (home / "huge").open("wb") as huge:
        huge.truncate(HUGE_BYTES)
    configuration = home / "service.conf"
    configuration.write_text(CONFIGURATION.format(user=USER, home=home, ports=ports, small=SMALL))
    command = [str(tools.program("nginx")), "-e", str(home / "service.error.log"), "-c", str(configuration)]
    with processes.running(
        "service", command, ports[0], core, home / "service.log", path="/products"
    ) as server:
        yield server, ports
