"""Bring one project up to date: role and database (with DATABASE_ADMIN_URL), its RabbitMQ user and
permissions (with RABBITMQ_ADMIN_URL), migrations, credentials, routes; every step may be repeated."""

import argparse
import sys

from atoll import conf


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py bootstrap", description=__doc__)
    parser.add_argument("project", choices=list(conf.projects()))
    parser.add_argument("--demo-data", action="store_true", help="demo accounts, catalogue and the like, too")
    options = parser.parse_args(argv)
    from django.core.exceptions import ImproperlyConfigured

    from atoll.bus.broker.broker_users import BrokerUserError
    from atoll.dev import databases, setup

    admin_url = conf.variable("DATABASE_ADMIN_URL")
    try:
        if admin_url:
            databases.make_from_url(admin_url, conf.database(options.project))
        _make_broker_user(conf.project(options.project))
        setup.run(conf.project(options.project), demo_data=options.demo_data)
    except (ImproperlyConfigured, databases.DatabaseError, BrokerUserError) as error:
        print(f"{options.project} is not set up: {error}", file=sys.stderr)
        return 1
    from atoll.postgresql import budget

    if problem := budget.server_shortage(options.project, conf.database(options.project)):
        print(f"WARNING: {problem}")
    return 0


def _make_broker_user(project: conf.Project) -> None:
    """Make the user that the project's own RABBITMQ_URL names, when RABBITMQ_ADMIN_URL is set.

    Raises BrokerUserError.
    """
    from atoll.bus.broker import broker_users, topology

    admin_url = conf.variable("RABBITMQ_ADMIN_URL")
    if not (admin_url and project.worker):
        return
    account = broker_users.account(project)
    if account is None:
        name = conf.own_name("RABBITMQ_URL", project.name)
        print(f"{project.name} has no broker user of its own: {name} is not set.")
        return
    broker_users.make(account, topology.of_project(project), admin_url)
    print(f"The broker user {account.user} and its permissions are up to date.")
