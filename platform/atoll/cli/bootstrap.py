"""Bring one project's database up to date: role and database (with DATABASE_ADMIN_URL), migrations,
credentials, routes; every step may be repeated."""

import argparse
import sys

from atoll import conf


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py bootstrap", description=__doc__)
    parser.add_argument("project", choices=list(conf.projects()))
    parser.add_argument("--demo-data", action="store_true", help="demo accounts, catalogue and the like, too")
    options = parser.parse_args(argv)
    from django.core.exceptions import ImproperlyConfigured

    from atoll.dev import databases, setup

    admin_url = conf.variable("DATABASE_ADMIN_URL")
    try:
        if admin_url:
            databases.make_from_url(admin_url, conf.database(options.project))
        setup.run(conf.project(options.project), demo_data=options.demo_data)
    except (ImproperlyConfigured, databases.DatabaseError) as error:
        print(f"{options.project} is not set up: {error}", file=sys.stderr)
        return 1
    from atoll.postgresql import budget

    if problem := budget.server_shortage(options.project, conf.database(options.project)):
        print(f"WARNING: {problem}")
    return 0
