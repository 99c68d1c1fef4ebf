"""Publish an event as one of the projects: publish EVENT JSON [--as PROJECT]."""

import argparse
import importlib
import os
import sys

from atoll import conf
from atoll.bus.schemas import known_names
from atoll.dev.terminal import lenient_output


def main(argv: list[str]) -> int:
    publishers = [project.name for project in conf.projects().values() if project.worker]
    parser = argparse.ArgumentParser(prog="manage.py publish", description=__doc__)
    parser.add_argument("event", help="order.created")
    parser.add_argument("json", help="its data")
    parser.add_argument("--as", dest="project", choices=publishers, help="by default the event's owner")
    options = parser.parse_args(argv)
    os.environ.setdefault("ATOLL_ENV", "development")
    owners = _owners(publishers)
    if not options.project and options.event not in owners:
        lenient_output()
        meant = known_names.suggestion(options.event, owners)
        print(f"No project announces an event called {options.event!r}. {meant}".strip(), file=sys.stderr)
        return 1
    from atoll.cli import run

    return run([options.project or owners[options.event], "publish", options.event, options.json])


def _owners(publishers: list[str]) -> dict[str, str]:
    """The project of each event, by the event's name, from the ``events.py`` of all projects."""
    found: dict[str, str] = {}
    for name in publishers:
        project = conf.project(name)
        for fact in vars(importlib.import_module(f"{project.package}.events")).values():
            senders = getattr(fact, "senders", ()) or (project.service,)
            if isinstance(event := getattr(fact, "type", None), str) and project.service in senders:
                found.setdefault(event, name)
    return found
