from pathlib import Path
from typing import Any

from django.core.management import CommandError
from django.core.management.commands.check import Command as DjangoCheck

from atoll import conf
from gateway.draft.checking import problems

FILES = (".yml", ".yaml")


class Command(DjangoCheck):
    help = (
        "Check routing tables in YAML files (FILE.yml), without a database: exit code 1 with every problem "
        "in words. Without a file: Django's own checks."
    )

    def handle(self, *names: Any, **options: Any) -> None:
        files = [Path(name) for name in names if name.endswith(FILES)]
        if not files:
            super().handle(*names, **options)
            return
        known = {project.service for project in conf.projects().values()}
        found = [f"{file}: {told}" for file in files for told in _problems(file, known)]
        if found:
            raise CommandError("\n".join(found))
        self.stdout.write(f"{', '.join(map(str, files))}: no problem")


def _problems(file: Path, known: set[str]) -> list[str]:
    try:
        return problems(file.read_bytes(), known)
    except OSError as error:
        return [f"cannot be read ({error.strerror})"]
