"""Publish an event as one of the projects: publish EVENT JSON [--as PROJECT]."""

import argparse
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
    """``order.created`` is announced by orders, ``stock.reserved`` by products."""
    noun = event.split(".", 1)[0]
    owners = {"stock": "products"}
    plural = owners.get(noun, f"{noun}s")
    return plural if plural in publishers else publishers[0]
