"""Run all test suites, or the named ones, on engines of their own, and print a summary."""

import argparse
import asyncio
import os
import sys


def main(argv: list[str]) -> int:
    split = argv.index("--") if "--" in argv else len(argv)
    from atoll.dev import suites, testing
    from atoll.dev.platform_lock import AlreadyRunning
    from atoll.dev.postgres import EngineError
    from atoll.dev.supervisor import StartFailed

    known = {suite.name: suite for suite in suites.all_suites()}
    parser = argparse.ArgumentParser(
        prog="manage.py test",
        description=__doc__,
        epilog=f"Suites: {', '.join(known)}. Arguments after -- go to pytest.",
    )
    parser.add_argument("names", nargs="*", metavar="SUITE", help="all of them when none is named")
    options = parser.parse_args(argv[:split])
    unknown = [name for name in options.names if name not in known]
    if unknown:
        print(f"No suite called {', '.join(unknown)}. There are: {', '.join(known)}.", file=sys.stderr)
        return 2
    chosen = [known[name] for name in options.names or known]
    from atoll import conf
    from atoll.dev import place

    home = conf.root() / ".atoll" / "test"
    place.check_start(conf.root(), home, "make test")
    given = dict(os.environ)
    testing.without_servers()
    os.environ["ATOLL_HOME"] = str(home)
    conf.ensure_local_secrets()
    try:
        return asyncio.run(testing.test(home, chosen, argv[split + 1 :], given, _say))
    except AlreadyRunning as refusal:
        print(f"Another `make test` uses {home} (process {refusal.record.get('pid', '?')}).", file=sys.stderr)
        return 3
    except (EngineError, StartFailed) as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; the engines are stopped.", file=sys.stderr)
        return 130


def _say(text: str) -> None:
    print(text, flush=True)
