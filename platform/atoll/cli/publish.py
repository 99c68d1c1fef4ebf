"""Publish an event as one of the projects: publish EVENT JSON [--as PROJECT]."""

import argparse
import importlib
import os

from atoll import conf


def main(argv: list[str]) -> int:
    publishers = [project.name for project in conf.projects().values() if project.worker]
    parser = argparse.ArgumentParser(prog="manage.py publish", description=__doc__)
    parser.add_argument("event", help="order.created")
    parser.add_argument("json", help="its data")
    parser.add_argument("--as", dest="project", choices=publishers, help="by default the event's owner")
    options = parser.parse_args(argv)
    os.environ.setdefault("ATOLL_ENV", "development")
    owner = _owner(options.event, publishers)
    from atoll.cli import run

    return run([options.project or owner, "publish", options.event, options.json])


def _owner(event: str, publishers: list[str]) -> str:
    """The project whose ``events.py`` names the event; the first one when none does."""
    for name in publishers:
        announced = importlib.import_module(f"{conf.project(name).package}.events")
        if any(getattr(fact, "type", None) == event for fact in vars(announced).values()):
            return name
    return publishers[0]
