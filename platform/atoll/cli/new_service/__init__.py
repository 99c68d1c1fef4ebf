"""Write a service with the rooms of its siblings: ``python manage.py new-service NAME``.

It gets a database, a worker, tests, a gateway route, its compose entries and its place in
docs/asyncapi.json, and passes ``make check`` and ``make test`` as it is. ``template/`` holds
its files; ``edits`` adds it to the files that list every project.
"""

import argparse
import keyword
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template

from atoll import conf
from atoll.cli.new_service import edits
from atoll.dev import command

TEMPLATE = Path(__file__).with_name("template")
PLURAL = re.compile(r"[a-z]{3,20}")
TAKEN = {"atoll", "demo", "tests", "bench", "docs", "deploy", "platform", "services"}


class Unfit(Exception):
    """The name cannot be a service's; the text says why."""


@dataclass(frozen=True)
class Names:
    """One name in every form that the files need: ``reviews``, ``Reviews``, ``review``, ``Review``."""

    plural: str
    singular: str
    port: int

    @property
    def service(self) -> str:
        return f"{self.singular}-service"

    @property
    def database(self) -> str:
        return f"{self.singular}_service_db"

    @property
    def words(self) -> dict[str, str]:
        return {
            "names": self.plural,
            "Names": self.plural.capitalize(),
            "NAMES": self.plural.upper(),
            "name": self.singular,
            "Name": self.singular.capitalize(),
            "camel": self.singular,
            "service": self.service,
            "database": self.database,
            "role": f"{self.singular}_service",
            "port": str(self.port),
        }


def names(plural: str) -> Names:
    """Raises Unfit for anything but a free plural word of 3 to 20 letters."""
    if not PLURAL.fullmatch(plural):
        raise Unfit("A service is named by one lower-case word of 3 to 20 letters, such as `reviews`.")
    singular = _singular(plural)
    if singular == plural or keyword.iskeyword(singular):
        raise Unfit(f"Name the service in the plural, for what it keeps: `reviews`, not `{plural}`.")
    projects = conf.projects()
    if plural in projects or plural in TAKEN or (conf.root() / "services" / plural).exists():
        raise Unfit(f"`{plural}` is taken.")
    if any(project.service == f"{singular}-service" for project in projects.values()):
        raise Unfit(f"Another project is already called {singular}-service on the wire.")
    return Names(plural, singular, port=max(project.port for project in projects.values()) + 1)


def _singular(plural: str) -> str:
    if plural.endswith("ies") and len(plural) > 4:
        return plural[:-3] + "y"
    if plural.endswith(("sses", "xes", "ches", "shes")):
        return plural[:-2]
    if plural.endswith("s") and not plural.endswith(("ss", "us", "is")):
        return plural[:-1]
    return plural


def write(wanted: Names) -> Path:
    """Write the service's files; its folder."""
    folder = conf.root() / "services" / wanted.plural
    for source in sorted(TEMPLATE.rglob("*.tmpl")):
        place = str(source.relative_to(TEMPLATE)).removesuffix(".tmpl")
        target = folder / place.replace("create_one", f"create_{wanted.singular}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(source.read_text()).substitute(wanted.words))
    _tidy(folder)
    return folder


def _tidy(folder: Path) -> None:
    """Line breaks and the order of imports depend on the name's length and letters."""
    ruff = Path(sys.executable).with_name("ruff")
    command = str(ruff) if ruff.exists() else shutil.which("ruff")
    if command:
        for verb in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
            subprocess.run([command, *verb, str(folder)], check=True, cwd=conf.root())


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py new-service", description=__doc__)
    parser.add_argument("name", help="in the plural, for what it keeps: reviews")
    options = parser.parse_args(argv)
    try:
        wanted = names(options.name)
    except Unfit as unfit:
        print(unfit, file=sys.stderr)
        return 2
    lists = edits.edited(wanted.words, conf.root())
    folder = write(wanted)
    for path, text in lists.items():
        path.write_text(text)
    # In a process of its own: this one has read the list of projects already.
    subprocess.run([sys.executable, str(conf.root() / "manage.py"), "asyncapi"], check=False, cwd=conf.root())
    print(
        f"Wrote {folder.relative_to(conf.root())}/ and added {wanted.service} to projects.toml, "
        "the import walls, the gateway's routes and the compose file.\n\n"
        "  make check                       holds its rooms to the rules\n"
        f"  {command.manage(f'test {wanted.plural}'):<33}runs its suite\n"
        f"  make up                          serves it at /api/{wanted.plural}"
    )
    return 0
