"""A repository with one announcing and one reading service, for tests of ``manage.py asyncapi``."""

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from atoll.bus import payloads, upcasting
from atoll.bus.schemas import asyncapi, json_schema
from atoll.bus.schemas.compatibility import Trial
from atoll.bus.schemas.definitions import Definition, ServiceMessages, Subscription
from atoll.cli.asyncapi import main
from atoll.cli.asyncapi.services import Described

GIT = dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "nobody@example.com")
GIT |= dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "nobody")


@dataclass
class Placed:
    total: int


@dataclass
class WithNote(Placed):
    note: str = ""


@dataclass
class Summed:
    version: ClassVar[int] = 2
    sum: int


class InProcess(Described):
    """Projects that answer in this process, with the test's upcasters."""

    def try_out(self, trials: Iterable[Trial]) -> list[str]:
        return [said for trial in trials if (said := self._try(trial))]

    def _try(self, trial: Trial) -> str | None:
        try:
            payloads.read(Summed, trial.name, trial.data, trial.version)
        except payloads.PayloadMismatch as mismatch:
            return str(mismatch)
        return None


@dataclass
class Repository:
    """A repository with one announcing and one reading service."""

    root: Path
    announced: list[Definition] = field(default_factory=list)
    read: list[Subscription] = field(default_factory=list)

    def announces(self, cls: type, version: int = 1, **facts: Any) -> None:
        self.announced = [
            Definition(
                kind="event",
                name="order.placed",
                version=version,
                schema=json_schema.of_class(cls),
                service="a-service",
                **facts,
            )
        ]

    def reads(self, cls: type, version: int = 1, name: str = "order.placed") -> None:
        schema = json_schema.of_class(cls)
        self.read = [
            Subscription(
                handler="on_it",
                kind="event",
                name=name,
                version=version,
                schema=schema,
                payload="It",
            )
        ]

    def __call__(self, *argv: str) -> int:
        upcasts = {name: upcasting.versions(name) for name in upcasting.names()}
        parts = [
            ServiceMessages(service="a-service", announces=self.announced, reads=[], upcasts={}),
            ServiceMessages(service="b-service", announces=[], reads=self.read, upcasts=upcasts),
        ]
        return main(list(argv), lambda: InProcess(parts))

    @property
    def document(self) -> Path:
        return self.root / "docs" / "asyncapi.json"

    def listed(self) -> list[tuple[int, bool]]:
        found = asyncapi.read_definitions(json.loads(self.document.read_text()))
        return [(item.version, item.superseded) for item in found]

    def git(self, *command: str) -> None:
        subprocess.run(
            ["git", "-C", str(self.root), *command],
            env={**os.environ, **GIT},
            check=True,
            capture_output=True,
        )

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "A change.", "--allow-empty")
