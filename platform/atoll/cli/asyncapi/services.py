"""Collects the messages that each project publishes and reads, in a process per project."""

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from atoll import conf
from atoll.bus.schemas.compatibility import Trial
from atoll.bus.schemas.definitions import ServiceMessages
from atoll.cli.check_all import AT_ONCE, production
from atoll.errors import Misuse


@dataclass(frozen=True)
class Described:
    """The messages of all projects; tries examples in their processes."""

    projects: list[ServiceMessages]

    def try_out(self, trials: Iterable[Trial]) -> list[str]:
        """The examples that handlers cannot read after upcasting. Builds payloads and runs no handler."""
        by_service: dict[str, list[Trial]] = defaultdict(list)
        for trial in trials:
            by_service[trial.service].append(trial)
        found: list[str] = []
        for service, mine in by_service.items():
            answers = _ask(
                conf.project_of_service(service), "--try", examples=[asdict(trial) for trial in mine]
            )
            found += [
                f"{service} reads {trial.name} version {trial.version} in {trial.handler}: {answer}"
                for trial, answer in zip(mine, answers, strict=True)
                if answer
            ]
        return list(dict.fromkeys(found))


def described() -> Described:
    """Raises Misuse, with the project's error output, when a project cannot list its messages."""
    speaking = [project for project in conf.projects().values() if project.worker]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Described([ServiceMessages.from_json(answer) for answer in pool.map(_ask, speaking)])


def _ask(project: conf.Project, *options: str, examples: Any = None) -> Any:
    with tempfile.TemporaryDirectory() as home:
        manage, env = [str(conf.root() / "manage.py"), project.name, "messages"], production(home)
        folder: Path | None = conf.root()
        if conf.stands_alone():
            # Its settings are those of this process, and need not lie in BASE_DIR; the examples are tried in
            # another process all the same.
            manage, env = ["-m", "django", "atoll_messages"], {"PYTHONPATH": os.pathsep.join(sys.path)}
            folder = None
        done = subprocess.run(
            [sys.executable, *manage, *options],
            input=json.dumps(examples),
            env=dict(os.environ) | env,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise Misuse(f"{project.name} cannot list its messages:\n{done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
