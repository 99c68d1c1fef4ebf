"""What can follow the words of a command line of manage.py. Imports neither Django nor a project's code."""

import ast
import importlib.util
from collections.abc import Iterable
from pathlib import Path

import atoll
from atoll import conf
from atoll.cli import help as verbs_and_projects
from atoll.dev import platform_lock

# Verbs whose words after the verb are names of these.
OF_PROJECTS = {"bootstrap", "call", "test"}
OF_PROCESSES = {"log-level", "logs", "profile", "restart"}
SHELLS = ("bash", "zsh", "fish")
COMMANDS = ("management", "commands")


def candidates(given: Iterable[str]) -> list[str]:
    """The words that can come next, sorted. ``given`` are the whole words after ``manage.py``."""
    words = list(given)
    projects = list(conf.projects())
    if not words:
        return sorted({*projects, *verbs_and_projects.verbs()})
    if words[0] in projects:
        return _commands(words[0]) if len(words) == 1 else []
    return sorted({*_names(words[0], len(words)), *_options(words[0])})


def _names(verb: str, position: int) -> list[str]:
    if verb in OF_PROCESSES:
        return _processes()
    if verb == "open" and position == 1:
        return ["console", *conf.projects()]
    if verb == "load" and position == 1:
        return ["orders"]
    if verb == "completion" and position == 1:
        return list(SHELLS)
    if verb == "call" and position == 2:
        return ["GET", "POST", "PUT", "PATCH", "DELETE"]
    if verb in OF_PROJECTS and (verb == "test" or position == 1):
        return list(conf.projects())
    return []


def _processes() -> list[str]:
    """Processes of the platform that runs here, and processes that have a log."""
    home = conf.home().resolve()
    running = [str(row.get("name")) for row in platform_lock.read(home).get("processes", [])]
    return sorted({*running, *(log.stem for log in (home / "logs").glob("*.log"))})


def _options(verb: str) -> list[str]:
    """The long options that the source of the verb declares."""
    module = verb.replace("-", "_")
    if not module.isidentifier():
        return []
    sources = _sources(module)
    if not sources:
        return []
    declared = {
        str(argument.value)
        for source in sources
        for call in ast.walk(ast.parse(source.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "add_argument"
        for argument in call.args
        if isinstance(argument, ast.Constant) and str(argument.value).startswith("--")
    }
    return sorted({*declared, "--help"})


def _sources(verb: str) -> list[Path]:
    """The files of a verb: a module of the library, or a package at the root of the repository."""
    spec = importlib.util.find_spec(f"atoll.cli.{verb}")
    if spec and spec.origin:
        return [Path(spec.origin)]
    package = conf.root() / verb
    return list(package.glob("*.py")) if (package / "__main__.py").exists() else []


def _commands(project_name: str) -> list[str]:
    """Django's commands, those of the library and those of the project."""
    django = importlib.util.find_spec("django")
    project = importlib.util.find_spec(conf.project(project_name).package)
    roots = [Path(spec.origin).parent for spec in (django, project) if spec and spec.origin]
    library = Path(atoll.__file__).parent
    folders = [
        roots[0] / "core" / Path(*COMMANDS),
        *(root / Path(*COMMANDS) for root in roots[1:]),
        *library.glob(f"*/{'/'.join(COMMANDS)}"),
    ]
    found = {file.stem for folder in folders for file in folder.glob("*.py")}
    return sorted(name for name in found if not name.startswith("_"))
