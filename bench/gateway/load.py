"""A closed loop of requests by wrk, and what it cost the server."""

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.gateway import tools
from bench.gateway.processes import Server, wait_until_idle

SCRIPT = Path(__file__).with_name("load.lua")
WARM_UP_S = 1


@dataclass(frozen=True)
class Load:
    """``counting``: each request has another header block than the one before it."""

    path: str = "/small"
    connections: int = 32
    method: str = "GET"
    body_bytes: int = 0
    counting: bool = False
    fields: dict[str, str] = field(default_factory=dict)


def measure(server: Server, load: Load, core: int, seconds: int) -> dict[str, Any]:
    """``per_s``, ``cpu_us`` (processor time of the server per request), ``p50_us``, ``p99_us``, ``bad``."""
    run(server, load, core, WARM_UP_S)
    wait_until_idle(server)
    before = server.cpu_s()
    found = run(server, load, core, seconds)
    spent_s = server.cpu_s() - before
    requests = max(1, found["requests"])
    return {
        "per_s": round(requests / found["microseconds"] * 1e6),
        "cpu_us": round(spent_s / requests * 1e6, 1),
        "p50_us": found["p50_us"],
        "p99_us": found["p99_us"],
        "bad": found["bad"],
    }


def run(server: Server, load: Load, core: int, seconds: int) -> dict[str, Any]:
    variables = os.environ | {
        "FIELDS": "".join(f"{name}: {value}\n" for name, value in load.fields.items()),
        "METHOD": load.method,
        "BODY_BYTES": str(load.body_bytes),
        "COUNTING": "1" if load.counting else "0",
    }
    command = [
        "taskset",
        "-c",
        str(core),
        str(tools.program("wrk")),
        "-t1",
        f"-c{load.connections}",
        f"-d{seconds}s",
    ]
    command += [
        "--timeout",
        "10s",
        "-s",
        str(SCRIPT),
        f"http://127.0.0.1:{server.port}{server.path}{load.path}",
    ]
    done = subprocess.run(command, env=variables, capture_output=True, check=True, text=True).stdout
    found: dict[str, Any] = json.loads(done.strip().splitlines()[-1])
    return found
