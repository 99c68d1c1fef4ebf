"""List the platform's verbs and its projects."""

import ast
import importlib.util
import pkgutil
from pathlib import Path

import atoll.cli
from atoll import conf
from atoll.dev import command


def verbs() -> dict[str, str]:
    """Every verb with the first line of its module's docstring. Imports no verb."""
    found = {}
    for module in pkgutil.iter_modules(atoll.cli.__path__):
        if module.name.startswith("_"):
            continue
        spec = importlib.util.find_spec(f"atoll.cli.{module.name}")
        if spec and spec.origin:
            found[module.name.replace("_", "-")] = _first_line(Path(spec.origin))
    for package in conf.root().glob("*/__main__.py"):
        found[package.parent.name] = _first_line(package.with_name("__init__.py"))
    return dict(sorted(found.items()))


def _first_line(module: Path) -> str:
    text = ast.get_docstring(ast.parse(module.read_text())) or ""
    return text.split("\n", 1)[0]


def main(argv: list[str]) -> int:
    called = {command.manage("PROJECT COMMAND ..."): "plain Django for one project: `orders migrate`"}
    called[command.manage("VERB ...")] = "the whole platform"
    for line, text in called.items():
        print(f"{line:<39} {text}")
    print(f"\nVerbs (`{command.manage('VERB --help')}` tells more):")
    for verb, text in verbs().items():
        print(f"  {verb:<14} {text}")
    print("\nProjects:")
    for project in conf.projects().values():
        print(f"  {project.name:<14} {project.service}, port {project.port}, database {project.database}")
    return 0
