"""Dispatch of ``manage.py``: a project's Django command, or a verb of the platform."""

import importlib
import os
import sys

from atoll import conf


def run(argv: list[str]) -> int:
    """Run one command line; the exit code."""
    if argv and argv[0] in conf.projects():
        from django.core.management import ManagementUtility

        project = conf.project(argv[0])
        os.environ["DJANGO_SETTINGS_MODULE"] = project.settings_module
        ManagementUtility([f"manage.py {project.name}", *argv[1:]]).execute()
        return 0
    verb = argv[0].replace("-", "_") if argv else "help"
    try:
        module = importlib.import_module(f"atoll.cli.{verb}")
    except ModuleNotFoundError as error:
        if error.name != f"atoll.cli.{verb}":
            raise
        print(f"Neither a project nor a verb: {argv[0]}. Try `python manage.py help`.", file=sys.stderr)
        return 2
    return int(module.main(argv[1:]) or 0)
