"""Show the logs of all processes in time order. -f waits for new lines, --correlation selects one request."""

import argparse
import json
import sys

from rich.console import Console

from atoll import conf
from atoll.dev import logpages, logtail, logview
from atoll.dev.loglines import LEVELS, Line, Wanted
from atoll.dev.loglines import since as moment_of
from atoll.dev.terminal import escaped, escaped_json, lenient_output


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py logs", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="processes (orders, orders-worker, ...); all"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="wait for new lines")
    parser.add_argument("--correlation", metavar="ID", help="only lines of this correlation id")
    parser.add_argument("--level", choices=LEVELS, type=str.lower, help="only lines of this level and above")
    parser.add_argument("--since", metavar="WHEN", help="10m, 2h, or a time such as 2026-11-23T10:00:00Z")
    options = parser.parse_args(argv)
    lenient_output()
    folder = conf.home() / "logs"
    known = sorted(path.name.removesuffix(".log") for path in folder.glob("*.log"))
    unknown = sorted(set(options.names) - set(known))
    if unknown or not known:
        what = f"No log of {escaped(', '.join(unknown))} in {folder}" if known else f"No logs in {folder}"
        print(f"{what}. There are: {', '.join(known) or 'none; start with `make up`'}.", file=sys.stderr)
        return 2
    try:
        since = moment_of(options.since) if options.since else None
        wanted = Wanted(correlation=options.correlation, since=since, level=options.level)
    except ValueError:
        print(f"--since {options.since!r} is neither 10m, 2h, 30s, 1d nor a time.", file=sys.stderr)
        return 2
    files = [folder / f"{name}.log" for name in options.names or known]
    console = Console(highlight=False, soft_wrap=True)

    def show(line: Line) -> None:
        if console.is_terminal:
            console.print(logview.pretty(line))
        else:
            fields = line.fields or {"time": line.time, "event": line.text}
            text = json.dumps({"name": line.name} | fields, ensure_ascii=False)
            print(escaped_json(text), flush=options.follow)

    try:
        # Opened before the history is read, so that no line is missed in between.
        follower = logtail.Follower(lambda: files)
        shown = 0
        if not options.follow or options.correlation or options.since:
            for shown, line in enumerate(logpages.history(files, wanted, since), start=1):  # noqa: B007
                show(line)
        if options.correlation and not shown:
            wanted_id = escaped(options.correlation)
            print(f"No line has the correlation id {wanted_id}.", file=sys.stderr)
            if not options.follow:
                return 1
        for line in logtail.followed(follower, wanted) if options.follow else ():
            show(line)
    except (KeyboardInterrupt, BrokenPipeError):
        # The reader closed the pipe: leave nothing for the interpreter to flush into it.
        sys.stdout = None
    return 0
