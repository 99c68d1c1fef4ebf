"""The commands of README.md and CONTRIBUTING.md do what these documents say."""

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from atoll import conf
from atoll.testing.running import Platform, eventually

ROOT = conf.root()
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
WRITTEN_GATEWAY = "http://127.0.0.1:8000"
TIMEOUT_S = 60

# Commands that CI or another test runs: the file, and the line that runs the command.
ELSEWHERE = {
    "make install": (".ci/run", "make install"),
    "make check": (".ci/run", "make check"),
    "make test": (".ci/run", "make test"),
    "make up": ("platform/atoll/testing/running.py", '[sys.executable, "manage.py", "up"],'),
    "make new-service name=reviews": (
        "tests/architecture/test_new_service.py",
        'MADE = [free("reviews", "ratings"), free("order-items", "price-lists"), free("news", "weather")]',
    ),
}


def commands(document: str) -> list[str]:
    """Return every command of the document's ``sh`` blocks, in order."""
    blocks: list[str] = BLOCK.findall((ROOT / document).read_text())
    lines = (line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines())
    return [line for line in lines if line]


README, CONTRIBUTING = commands("README.md"), commands("CONTRIBUTING.md")
RUN_HERE = [command for command in dict.fromkeys(README + CONTRIBUTING) if command not in ELSEWHERE]


def type_in(platform: Platform, command: str, typed: str = "") -> str:
    """Run a command line beside this platform and return its output."""
    done = subprocess.run(
        ["bash", "-c", command.replace(WRITTEN_GATEWAY, platform.gateway_url)],
        cwd=ROOT,
        env=environment(platform),
        input=typed,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment(platform: Platform) -> dict[str, str]:
    """``python`` is the interpreter of the tests, as in an activated virtual environment."""
    here = str(Path(sys.executable).parent)
    return platform.environment | {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "no_proxy": "127.0.0.1"}


def demo(platform: Platform, command: str) -> None:
    printed = type_in(platform, command)
    failing = "--failing" in command
    assert ("The order is confirmed after" in printed) is not failing
    assert ("The card was declined" in printed) is failing


def curl(platform: Platform, command: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine (Debian: curl)")
    answer = json.loads(type_in(platform, command))
    if "/auth/token" in command:
        assert answer["user"]["email"] == "ada@atoll.example"
    elif "search=" in command:
        assert len(answer) == 3
        assert all("coffee" in product["name"].lower() for product in answer)
    else:
        assert len(answer) == 1


def logs(platform: Platform, command: str) -> None:
    correlation = shlex.split(command)[-1]
    headers = {"X-Correlation-ID": correlation}
    requests.get(f"{platform.gateway_url}/api/products?pageSize=1", headers=headers, timeout=10)

    def processes() -> set[str]:
        lines = [json.loads(line) for line in type_in(platform, command).splitlines()]
        assert {line["correlation_id"] for line in lines} <= {correlation}
        return {line["name"] for line in lines}

    eventually(lambda: processes() >= {"gateway", "products"}, what="both processes logged it")


def status(platform: Platform, command: str) -> None:
    printed = type_in(platform, command)
    for name in ("postgres", "gateway", "orders-worker", "keeper"):
        assert f" {name} " in printed


def second_instance(platform: Platform, command: str) -> None:
    def instances() -> int:
        found = platform.manage("call", "registry", "GET", "/discover/product-service", "--json")
        return len(json.loads(found.stdout))

    before = instances()
    started = subprocess.Popen(
        shlex.split(command), cwd=ROOT, env=environment(platform), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        eventually(
            lambda: instances() == before + 1,
            timeout_s=TIMEOUT_S,
            what="the second instance is in traffic",
        )
        started.send_signal(signal.SIGINT)
        assert started.wait(timeout=TIMEOUT_S) == 0
        assert instances() == before
    finally:
        started.kill()
        started.communicate()


def call(platform: Platform, command: str) -> None:
    printed = io.StringIO(type_in(platform, command))
    assert printed.readline() == "200\n"
    assert json.loads(printed.read().split("\n\n", 1)[1]) == {
        "total": 0,
        "recent": [],
        "totalValue": 0,
        "totalValueCurrency": None,
        "totals": [],
    }


def publish(platform: Platform, command: str) -> None:
    printed = type_in(platform, command)
    assert re.fullmatch(r"user\.updated \S+ from user-service, correlation id \S+\n", printed)


def create_admin(platform: Platform, command: str) -> None:
    email = shlex.split(command)[-1]
    printed = type_in(platform, f"{command} --password-stdin", typed="four words nobody guesses\n")
    assert printed == f"{email} is an administrator now.\n"
    signed_in = requests.post(
        f"{platform.gateway_url}/auth/token",
        json={"email": email, "password": "four words nobody guesses"},
        timeout=10,
    )
    assert signed_in.json()["user"]["roles"] == ["admin"]


def load(platform: Platform, command: str) -> None:
    """At a lower rate and for a shorter time."""
    report = platform.home / "load.html"
    shorter = command.replace("--per-s 20 --minutes 5", "--per-s 2 --minutes 0.1")
    assert shorter != command
    words = shorter.replace("/tmp/load.html", str(report)).split()
    done = platform.manage(*words[2:])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "<svg" in report.read_text()


PROOFS: dict[str, Callable[[Platform, str], None]] = {
    "python manage.py demo": demo,
    "curl ": curl,
    "python manage.py logs": logs,
    "python manage.py status": status,
    "python manage.py products serve": second_instance,
    "python manage.py call": call,
    "python manage.py load orders": load,
    "python manage.py publish": publish,
    "python manage.py users create_admin": create_admin,
}


def proof_of(command: str) -> Callable[[Platform, str], None] | None:
    return next((proof for start, proof in PROOFS.items() if command.startswith(start)), None)


def test_every_command_that_people_are_told_is_proved_somewhere():
    assert README
    assert CONTRIBUTING
    assert [command for command in RUN_HERE if proof_of(command) is None] == []


@pytest.mark.parametrize("command", ELSEWHERE)
def test_what_is_run_elsewhere_is_run_there(command: str):
    place, line = ELSEWHERE[command]
    assert line in [written.strip() for written in (ROOT / place).read_text().splitlines()]
    assert command in README + CONTRIBUTING


@pytest.mark.parametrize("verb", [command.split()[1] for command in ELSEWHERE])
def test_a_verb_of_make_is_one(verb: str):
    assert re.search(rf"^{verb}:.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.on("embedded")
@pytest.mark.parametrize("command", RUN_HERE)
def test_a_command_does_what_it_is_there_for(platform: Platform, command: str):
    proof = proof_of(command)
    assert proof is not None
    proof(platform, command)
