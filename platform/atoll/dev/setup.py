"""Brings one project's database up to date: migrations, credentials, routes, demo data."""

import hashlib
import os
from pathlib import Path

from atoll import conf
from atoll.conf import Project

# In this order; a project runs the commands that it has. Each can be repeated.
STEPS = ("migrate", "sync_credentials", "load_routes")
DEMO_STEP = "seed"


def run(project: Project, *, demo_data: bool) -> None:
    """Run in a process of its own: it sets Django up for ``project``."""
    os.environ["DJANGO_SETTINGS_MODULE"] = project.settings_module
    import django
    from django.core.management import call_command, get_commands

    django.setup()
    known = get_commands()
    for step in (*STEPS, DEMO_STEP) if demo_data else STEPS:
        if step in known:
            call_command(step, verbosity=1)


class Stamp:
    """Records the code, the secrets and the addresses that a project's embedded database was set up with.

    It lets the next start skip the set-up. Real servers are set up at each start, since their data
    may change between two starts.
    """

    def __init__(self, home: Path, project: Project) -> None:
        self.path = home / "setup" / project.name
        self.project = project
        self.home = home

    def is_fresh(self) -> bool:
        if conf.variable("DATABASE_URL", self.project.name):
            return False
        try:
            return self.path.read_text() == self._digest()
        except FileNotFoundError:
            return False

    def refresh(self) -> None:
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(self._digest())

    def _digest(self) -> str:
        digest = hashlib.sha256()
        root = conf.root()
        digest.update(" ".join(url for name in conf.projects() for url in conf.public_urls(name)).encode())
        for folder in (root / self.project.package.replace(".", "/"), root / "platform" / "atoll"):
            for path in sorted(folder.rglob("*")):
                if path.suffix != ".pyc" and path.is_file() and "tests" not in path.parts:
                    status = path.stat()
                    digest.update(f"{path} {status.st_mtime_ns} {status.st_size}\n".encode())
        inputs = (root / "projects.toml", root / "requirements" / "base.txt")
        for path in (*inputs, self.home / "secrets.json", self.home / "postgres-superuser"):
            digest.update(path.read_bytes() if path.exists() else b"-")
        return digest.hexdigest()
