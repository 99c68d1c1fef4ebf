"""Set the level of a service's log lines for a time, without a restart: log-level orders-worker debug."""

import os
import sys

from atoll import conf

REGISTRY = "registry"


def main(argv: list[str]) -> int:
    """The registry's own command does it, in the registry's database: a level is a row there."""
    os.environ.setdefault("ATOLL_ENV", "development")
    os.environ["DJANGO_SETTINGS_MODULE"] = conf.project(REGISTRY).settings_module
    import django
    from django.core.management import get_commands, load_command_class
    from django.core.management.base import CommandError
    from django.db import Error

    django.setup()
    command = load_command_class(get_commands()["log_level"], "log_level")
    parser = command.create_parser("manage.py", "log-level")
    options = vars(parser.parse_args(argv))
    try:
        command.execute(**options)
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    except Error as error:
        reason = str(error).strip().partition("\n")[0]
        print(f"The registry's database does not answer: {reason}", file=sys.stderr)
        return 1
    return 0
