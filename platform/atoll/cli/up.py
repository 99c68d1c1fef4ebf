"""Start the whole platform here and watch it; Ctrl-C stops it and keeps the data."""

import argparse
import asyncio

from atoll import conf


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py up", description=__doc__)
    parser.add_argument("--no-demo-data", action="store_true", help="start with empty databases")
    parser.add_argument(
        "--reload", action="store_true", help="restart the processes of a project when its code changes"
    )
    options = parser.parse_args(argv)
    from atoll.dev import place

    home = conf.home().resolve()
    place.check_start(conf.root(), home, "make up")
    from atoll.dev.screen import for_terminal
    from atoll.dev.up import up

    return asyncio.run(up(home, for_terminal(), demo_data=not options.no_demo_data, reloads=options.reload))
