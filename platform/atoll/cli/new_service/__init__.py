"""Write a service with the same folders as the others: ``python manage.py new-service NAME``.

It gets a database, a worker, tests, a gateway route, its compose entries, values for Helm and its place in
docs/asyncapi.json, and passes ``make check`` and ``make test`` unchanged. ``template/`` holds
its files; ``edits`` adds it to the files that list every project.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from string import Template

from atoll import conf
from atoll.cli.new_service import edits
from atoll.cli.new_service.words import Names, Unfit, names
from atoll.dev import command

TEMPLATE = Path(__file__).with_name("template")


def write(wanted: Names) -> Path:
    """Write the service's files. Returns its folder."""
    folder = conf.root() / "services" / wanted.package
    words = wanted.words
    for source in sorted(TEMPLATE.rglob("*.tmpl")):
        place = str(source.relative_to(TEMPLATE)).removesuffix(".tmpl")
        target = folder / place.replace("create_one", f"create_{words['name']}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(source.read_text()).substitute(words))
    _tidy(folder)
    return folder


def _tidy(folder: Path) -> None:
    """Format the files: line breaks and the order of imports depend on the name."""
    ruff = Path(sys.executable).with_name("ruff")
    command = str(ruff) if ruff.exists() else shutil.which("ruff")
    if command:
        for verb in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
            subprocess.run([command, *verb, str(folder)], check=True, cwd=conf.root())


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py new-service", description=__doc__)
    parser.add_argument("name", help="named for its rows: reviews, stock, order-items")
    options = parser.parse_args(argv)
    try:
        wanted = names(options.name)
        lists = edits.edited(wanted.words, conf.root())
    except Unfit as unfit:
        print(unfit, file=sys.stderr)
        return 2
    except LookupError as missing:
        print(f"Nothing was written: {missing.args[0]}.", file=sys.stderr)
        return 1
    folder = write(wanted)
    for path, text in lists.items():
        path.write_text(text)
    # In a new process: this one has read the list of projects already.
    subprocess.run([sys.executable, str(conf.root() / "manage.py"), "asyncapi"], check=False, cwd=conf.root())
    print(
        f"Wrote {folder.relative_to(conf.root())}/ and added {wanted.service} to projects.toml, "
        "the import walls, the gateway's routes, the compose file and the values for Helm.\n\n"
        "  make check                       checks its code\n"
        f"  {command.manage(f'test {wanted.project}'):<33}runs its suite\n"
        f"  make up                          serves it at /api/{wanted.project}"
    )
    return 0
