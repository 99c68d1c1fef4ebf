"""``manage.py``: runs a project's Django command or a verb of the platform."""

import importlib
import os
import runpy
import sys

from django.core.exceptions import ImproperlyConfigured

from atoll import conf, process_title
from atoll.dev import command, place


def run(argv: list[str]) -> int:
    """Run one command line. Returns the exit code.

    Errors of the operating system and of the configuration print one sentence; ``--traceback``
    raises them.
    """
    try:
        return _run(argv)
    except (OSError, ImproperlyConfigured, place.Unusable) as error:
        told = place.told(error) if isinstance(error, OSError) else str(error)
        if told is None or "--traceback" in argv:
            raise
        print(told, file=sys.stderr)
        return 1


def _run(argv: list[str]) -> int:
    process_title.show(*(word for word in argv[:2] if not word.startswith("-")))
    if argv and argv[0] in conf.projects():
        return _run_django(conf.project(argv[0]), argv[1:])
    asks_for_help = not argv or argv[0] in ("-h", "--help")
    verb = "help" if asks_for_help else argv[0].replace("-", "_")
    try:
        if not verb.isidentifier() or verb.startswith("_"):
            raise ModuleNotFoundError(name=f"atoll.cli.{verb}")
        module = importlib.import_module(f"atoll.cli.{verb}")
    except ModuleNotFoundError as error:
        if error.name != f"atoll.cli.{verb}":
            raise
        if verb.isidentifier() and (conf.root() / verb / "__main__.py").exists():
            return _run_package(verb, argv[1:])
        print(f"Neither a project nor a verb: {argv[0]!a}. Try `{command.manage('help')}`.", file=sys.stderr)
        return 2
    return int(module.main(argv[1:]) or 0)


def _run_django(project: conf.Project, argv: list[str]) -> int:
    from django.core.management import ManagementUtility
    from django.db import OperationalError

    os.environ["DJANGO_SETTINGS_MODULE"] = project.settings_module
    try:
        ManagementUtility([f"manage.py {project.name}", *argv]).execute()
    except ImproperlyConfigured as error:
        if "--traceback" in argv:
            raise
        print(f"{project.name} is not configured: {error}", file=sys.stderr)
        return 1
    except OperationalError as error:
        # An error without an SQLSTATE comes from the client: no server answered.
        if "--traceback" in argv or getattr(error.__cause__, "pgcode", None) is not None:
            raise
        what = str(error).partition("\n")[0]
        print(f"The database of {project.name} cannot be reached: {what}", file=sys.stderr)
        print("Start the platform with `make up`, or look at DATABASE_URL.", file=sys.stderr)
        return 1
    return 0


def _run_package(name: str, argv: list[str]) -> int:
    """Run a package at the root of the repository, such as ``demo``, as ``python -m`` would."""
    sys.argv = [f"manage.py {name}", *argv]
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
