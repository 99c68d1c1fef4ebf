"""Requests go on while the gateway is replaced and its table published, again and again; none may fail.

``python -m bench.gateway.restarts [--requests N] [--restarts N]``; one JSON object on the last line.
"""

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg2

from atoll import conf
from bench import ending
from bench.gateway import ours, service, surroundings, tools
from bench.gateway.ours import Features
from bench.gateway.surroundings import Surroundings

CLIENTS = 8
PATH = "/api/products/small"
PUBLISH = "INSERT INTO gateway_publication (version, document, by) VALUES (%s, %s, 'bench')"
TAKEN_OVER_S = 60.0


@dataclass
class Asked:
    """What the clients saw. ``failures`` holds the first texts."""

    answered: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    def note(self, problem: str) -> None:
        with self.lock:
            if not problem:
                self.answered += 1
                return
            self.failed += 1
            if len(self.failures) < 5:
                self.failures.append(problem)


def ask(port: int, token: str, asked: Asked) -> None:
    """Ask on one connection, and on a new one when the gateway has said that it closes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while not asked.over.is_set():
        try:
            connection.request("GET", PATH, headers={"Authorization": f"Bearer {token}"})
            answer = connection.getresponse()
            answer.read()
            asked.note("" if answer.status == 200 else f"status {answer.status}")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            asked.note(f"{type(error).__name__}: {error}")


def publish(around: Surroundings, version: int) -> None:
    document = ours.table(Features()) | {"version": version}
    with psycopg2.connect(around.database_url) as database, database.cursor() as cursor:
        cursor.execute(PUBLISH, [version, json.dumps(document)])
        cursor.execute("NOTIFY gateway_tables")


def follow(port: int, variables: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    manage = [sys.executable, str(conf.root() / "manage.py"), "gateway", "serve", "--follow"]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*manage, "--port", str(port)], env=variables, stdout=output, stderr=subprocess.STDOUT
        )


def wait_until_gone(pid: int, log: Path) -> None:
    """Until the process that was followed has ended. Exits when it does not."""
    end = time.monotonic() + TAKEN_OVER_S
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > end:
            sys.exit(f"a gateway was not replaced within {TAKEN_OVER_S:g} s:\n{log.read_text()[-3000:]}")
        time.sleep(0.05)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gateway.restarts")
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--restarts", type=int, default=10)
    chosen = parser.parse_args(argv)
    ending.exit_on_sigterm()
    tools.install(["nginx"])
    with tempfile.TemporaryDirectory(prefix="atoll-restarts-") as folder, ExitStack() as stack:
        home = Path(folder)
        _, ports = stack.enter_context(service.running(home, 1))
        around = stack.enter_context(surroundings.running(home, ports))
        found = run(chosen, home, around)
    print(json.dumps(found))
    return 1 if found["failed"] else 0


def run(chosen: argparse.Namespace, home: Path, around: Surroundings) -> dict[str, object]:
    asked = Asked()
    log = home / "log"
    began = time.monotonic()
    with ours.running(home, around, 0) as server:
        variables = ours.environment(next(home.glob("atoll-*")), around, Features())
        clients = [
            threading.Thread(target=ask, args=(server.port, around.token, asked)) for _ in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        pid = server.pid
        successors: list[subprocess.Popen[bytes]] = []
        for number in range(chosen.restarts):
            publish(around, number + 2)
            successors.append(follow(server.port, variables, log))
            wait_until_gone(pid, log)
            pid = successors[-1].pid
        while asked.answered + asked.failed < chosen.requests:
            time.sleep(0.1)
        asked.over.set()
        for client in clients:
            client.join()
        for successor in successors:
            successor.terminate()
            successor.wait(TAKEN_OVER_S)
    return {
        "requests": asked.answered + asked.failed,
        "failed": asked.failed,
        "failures": asked.failures,
        "restarts": chosen.restarts,
        "publications": chosen.restarts,
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
