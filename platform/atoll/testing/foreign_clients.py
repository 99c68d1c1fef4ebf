"""Runs the programs of tests/interop: clients of the bus in other languages, for tests."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import pytest

from atoll import conf

INSTALL_TIMEOUT_S = 120
TIMEOUT_S = 30


@dataclass(frozen=True)
class ForeignClient:
    """The publisher and the consumer of one language, against one broker."""

    command: tuple[str, ...]
    folder: Path
    suffix: str
    broker_url: str
    prefix: str = ""

    def publish(
        self, kind: str, routing_key: str, body: dict[str, Any], properties: dict[str, Any] | None = None
    ) -> None:
        """Returns after the broker's confirmation. Raises AssertionError with the program's error output."""
        done = subprocess.run(
            [*self._program("publish"), kind, routing_key, json.dumps(body), json.dumps(properties or {})],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def consume(self, kind: str, binding_key: str, queue: str, count: int) -> "Consuming":
        """Returns once the consumer is bound and listens. It ends by itself after ``count`` messages."""
        return Consuming(
            subprocess.Popen(
                [*self._program("consume"), kind, binding_key, queue, str(count)],
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )

    def _program(self, name: str) -> list[str]:
        return [*self.command, str(self.folder / f"{name}{self.suffix}")]

    def _environment(self) -> dict[str, str]:
        parts = urlsplit(self.broker_url)
        path = "/%2F" if parts.path in ("", "/", "//") else parts.path
        return dict(os.environ) | {
            "AMQP_URL": parts._replace(path=path).geturl(),
            "BUS_PREFIX": self.prefix,
        }


class Consuming:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        stderr: IO[str] = process.stderr  # type: ignore[assignment]
        said = stderr.readline().strip()
        if said != "consuming":
            process.kill()
            raise AssertionError(said + stderr.read())

    def messages(self) -> list[dict[str, Any]]:
        """Wait for the messages; routingKey, properties and body of each."""
        try:
            output, errors = self._process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            output, errors = self._process.communicate()
            raise AssertionError(f"still waiting; came so far:\n{output}{errors}") from None
        assert self._process.returncode == 0, errors
        return [json.loads(line) for line in output.splitlines()]


def foreign_client(language: str, broker_url: str, prefix: str = "") -> ForeignClient:
    """The client in ``python`` or ``node``. The first call for Node.js installs its packages.

    Without Node.js the test is skipped; it fails where ATOLL_REQUIRE_RABBITMQ is set.
    """
    folder = conf.root() / "tests" / "interop" / language
    if language == "python":
        return ForeignClient((sys.executable,), folder, ".py", broker_url, prefix)
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        say = pytest.fail if conf.flag("ATOLL_REQUIRE_RABBITMQ") else pytest.skip
        say("no Node.js with npm here (Debian: apt install nodejs npm)")
    install(folder, str(npm))
    return ForeignClient((str(node),), folder, ".mjs", broker_url, prefix)


def install(folder: Path, npm: str) -> None:
    """Install the exact versions of package.json, unless they are there."""
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    if all(_installed(folder, name) == version for name, version in wanted.items()):
        return
    done = subprocess.run(
        [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _installed(folder: Path, package: str) -> str | None:
    try:
        found = json.loads((folder / "node_modules" / package / "package.json").read_text())
    except FileNotFoundError:
        return None
    return str(found["version"])
