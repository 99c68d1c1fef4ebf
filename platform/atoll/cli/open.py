"""Open the console or the admin of a project in the browser; without a browser, print its address."""

import argparse
import os
import sys
import webbrowser
from typing import Any

from atoll import conf
from atoll.dev import command, platform_lock

CONSOLE = "console"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py open", description=__doc__)
    parser.add_argument(
        "name", nargs="?", default=CONSOLE, choices=[CONSOLE, *conf.projects()], metavar="NAME",
        help=f"{CONSOLE} (the default), or a project: {', '.join(conf.projects())}",
    )  # fmt: skip
    parser.add_argument("--print", dest="prints_only", action="store_true", help="only print the address")
    options = parser.parse_args(argv)
    os.environ.setdefault("ATOLL_ENV", "development")
    url = _address(options.name)
    if url is None:
        print(f"The platform is down. Start it with `{command.manage('up')}`.", file=sys.stderr)
        return 1
    print(url)
    if not options.prints_only and not _open(url):
        print("No browser opened here: open the address yourself.", file=sys.stderr)
    return 0


def _address(name: str) -> str | None:
    """The configured address, else that of the platform that runs here; None when none runs."""
    variable = "CONSOLE_URL" if name == CONSOLE else conf.own_name("ADMIN_URL", name)
    if conf.variable(variable):
        return conf.console_url() if name == CONSOLE else conf.admin_url(name)
    home = conf.home().resolve()
    if not platform_lock.is_running(home):
        return None
    # The running platform's ports count, not this shell's ATOLL_PORT_OFFSET.
    record = platform_lock.read(home)
    port = _port(record, "gateway" if name == CONSOLE else name)
    if port is None:
        return None
    return f"http://127.0.0.1:{port}/{CONSOLE if name == CONSOLE else 'admin'}/"


def _port(record: dict[str, Any], name: str) -> int | None:
    found = [row.get("port") for row in record.get("processes", []) if row.get("name") == name]
    return found[0] if found and isinstance(found[0], int) else None


def _open(url: str) -> bool:
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False
