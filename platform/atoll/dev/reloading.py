"""``up --reload``: watches the code of the projects and restarts the processes that a change concerns."""

import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from watchfiles import Change, awatch

from atoll import conf
from atoll.conf import Project
from atoll.dev import command
from atoll.dev.process import Member
from atoll.dev.supervisor import Supervisor

# Changes that follow each other this closely make one restart, for at most GROUPED_MS.
QUIET_MS = 300
GROUPED_MS = 3_000
# The kernel counts watched folders for the whole account, and keeps about 1 kB for each.
MAX_FOLDERS = 5_000

SUFFIXES = {".py", ".html", ".txt", ".css", ".js", ".svg", ".json", ".toml"}
UNUSED = {"tests", "node_modules"}  # processes of the platform read nothing in these folders
ROUTES = "routes.toml"

Say = Callable[[str, str], None]


@dataclass(frozen=True)
class _Source:
    """A changed file, and the project that reads it; None: the keeper has read it for all processes."""

    path: str
    project: Project | None


class Reloader:
    """Restarts processes of ``supervisor``, and calls ``say`` with a sentence and its style."""

    def __init__(self, supervisor: Supervisor, say: Say, root: Path | None = None) -> None:
        self.supervisor = supervisor
        self.say = say
        self.root = (root or conf.root()).resolve()
        self._packages = {self.root / p.package.replace(".", "/"): p for p in conf.projects().values()}
        self._common = [self.root / "platform" / "atoll", self.root / "requirements"]
        self._table = self.root / "projects.toml"
        self._told_to_start_again = False

    async def watch(self) -> None:
        """Watch until cancelled. Says so and returns where the files cannot be watched."""
        folders = [folder for folder in (*self._packages, *self._common) if folder.is_dir()]
        if _more_than(MAX_FOLDERS, folders):
            self.say(f"No file is watched: the projects have more than {MAX_FOLDERS} folders.", "red")
            return
        try:
            async for changes in awatch(
                *folders,
                self._table,
                watch_filter=self._is_read,
                step=QUIET_MS,
                debounce=GROUPED_MS,
            ):
                self.take(Path(path) for _, path in changes)
        except (OSError, RuntimeError) as error:  # such as the kernel's limit of watched folders
            self.say(f"Files are no longer watched ({error}). Restart processes by hand.", "red")

    def take(self, paths: Iterable[Path]) -> None:
        """Restart the processes that read these files."""
        sources = [source for path in sorted(set(paths)) if (source := self._source(path))]
        common = [source.path for source in sources if source.project is None]
        if common and not self._told_to_start_again:
            self._told_to_start_again = True
            self.say(
                f"{_named(common)} changed. All processes share what was loaded at the start: "
                "end the platform and start it again to use this change and later ones of this kind.",
                "yellow",
            )
        for project in dict.fromkeys(source.project for source in sources if source.project):
            self._restart(project, [source.path for source in sources if source.project == project])

    def _restart(self, project: Project, paths: list[str]) -> None:
        names = self.supervisor.restart([project.name, f"{project.name}-worker"])
        if names:
            verb = "starts" if len(names) == 1 else "start"
            text = f"{_named(paths)} changed: {', '.join(names)} {verb} again"
            self.say(text, "yellow")
            for name in names:
                _write(self.supervisor.members[name], project, text)
        if any("migrations" in Path(path).parts for path in paths):
            apply = command.manage(f"{project.name} migrate")
            self.say(f"Migrations of {project.name} changed. Apply them with `{apply}`.", "yellow")
        if any(Path(path).name == ROUTES for path in paths):
            load = command.manage(f"{project.name} load_routes")
            self.say(f"{ROUTES} changed. Create the routes that are missing with `{load}`.", "yellow")

    def _is_read(self, change: Change, path: str) -> bool:
        return self._source(Path(path)) is not None

    def _source(self, path: Path) -> _Source | None:
        if path == self._table:
            return _Source(path.name, None)
        if path.suffix not in SUFFIXES or path.name == "pyproject.toml":
            return None
        for folder in (*self._packages, *self._common):
            if path.is_relative_to(folder):
                within = path.relative_to(folder).parts
                # A name with a dot at its front belongs to an editor or a tool.
                if UNUSED.intersection(within) or any(part.startswith(".") for part in within):
                    return None
                return _Source(str(path.relative_to(self.root)), self._packages.get(folder))
        return None


def _more_than(limit: int, folders: Iterable[Path]) -> bool:
    """Whether a watch needs more than ``limit`` folders. It follows links, as the watch does."""
    found = (inner for folder in folders for inner in os.walk(folder, followlinks=True))
    return next(islice(found, limit, None), None) is not None


def _named(paths: list[str]) -> str:
    """The first file, and the number of the others."""
    others = len(paths) - 1
    return paths[0] + (f" and {others} other file{'s' if others > 1 else ''}" if others else "")


def _write(member: Member, project: Project, text: str) -> None:
    """Add a line in the form of ``atoll.logs`` to the log of a process."""
    line = {
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "level": "info",
        "service": project.service,
        "instance": "",
        "process": "up",
        "event": text,
    }
    with suppress(OSError), open(member.spec.log, "a") as log:
        log.write(json.dumps(line) + "\n")
