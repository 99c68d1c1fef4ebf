"""``manage.py users create_admin EMAIL``: the first administrator of a deployment."""

import getpass
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from atoll.errors import Refusal
from services.users.hashing import spelled
from services.users.usecases.make_administrator import is_administrator, make_administrator


class Command(BaseCommand):
    help = "Make an administrator, who may then make others in the admin. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", default="Administrator", help="shown in the admins (%(default)s)")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from one line of standard input"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip().lower()
        try:
            # Check the address before the prompt for a password.
            made = not is_administrator(email) and make_administrator(
                email=email, password=_password(from_stdin=options["password_stdin"]), name=options["name"]
            )
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        said = "is an administrator now" if made else "is an administrator already; nothing was changed"
        self.stdout.write(f"{email} {said}.")


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CommandError("There is no terminal to ask for a password in: give it with --password-stdin.")
    try:
        password = getpass.getpass("Password: ")
        repeated = getpass.getpass("Password again: ")
    except (KeyboardInterrupt, EOFError):
        raise CommandError("No password, no administrator.") from None
    if spelled(password) != spelled(repeated):
        raise CommandError("The two passwords differ. Nothing was changed.")
    return password
