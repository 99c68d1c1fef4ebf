"""``python manage.py load orders``: options, the run, and its exit code."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import requests

from atoll import conf
from demo.shopper import PlatformNotRunning, Refused
from load import __doc__ as purpose
from load.report import report
from load.run import MOST_CONNECTIONS, Plan, Run, connections_for
from load.screen import Screen, for_terminal

DRAW_S = 0.5
EXIT_BAD_OPTION = 2
MOST_PER_S = 10_000
MOST_MINUTES = 7 * 24 * 60


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_OPTION, f"{self.prog}: {message}\n")


def main(argv: list[str]) -> int:
    """Returns 1 for lost, doubled or open orders, too many errors or no platform; 2 for a bad option."""
    options = parser().parse_args(argv)
    try:
        return _load(options)
    except PlatformNotRunning as nobody:
        return _give_up(f"{nobody} Start the platform with `make up`, or name another with --gateway.")
    except Refused as refused:
        return _give_up(f"The platform refused: {refused}")
    except (requests.RequestException, LookupError, TypeError, ValueError) as error:
        return _give_up(f"No gateway of Atoll answers at {options.gateway}: {error}")
    except KeyboardInterrupt:
        return _give_up("Interrupted.")


def _load(options: argparse.Namespace) -> int:
    run = Run(_plan(options))
    is_interrupted = watch(run, for_terminal())
    reasons = complaints(run, options.max_errors, is_interrupted=is_interrupted)
    if options.report:
        try:
            options.report.write_text(report(run), encoding="utf-8")
            print(f"Report: {options.report}")
        except OSError as error:
            reasons.append(f"The report was not written: {error}")
    if options.json:
        print(json.dumps(run.results()))
    for reason in reasons:
        print(reason, file=sys.stderr)
    return 1 if reasons else 0


def _plan(options: argparse.Namespace) -> Plan:
    return Plan(
        options.gateway.rstrip("/"),
        options.per_s,
        options.minutes * 60,
        options.connections or connections_for(options.per_s),
        timeout_s=options.timeout_s,
        settle_s=options.settle_s,
    )


def watch(run: Run, screen: Screen) -> bool:
    """Show the run until its end. Ctrl-C ends the run; True then. A second one raises KeyboardInterrupt."""
    is_interrupted = False
    try:
        run.start()
        while run.loop.is_sending:
            run.loop.stopping.wait(DRAW_S)
            screen.draw(run)
        screen.says("Waiting until all orders are final ...")
        run.conclude()
    except KeyboardInterrupt:
        is_interrupted = True
        screen.says("Interrupted: these are the results so far.")
        run.conclude(settle_s=0)
    screen.ends(run)
    return is_interrupted


def complaints(run: Run, max_errors: float, *, is_interrupted: bool = False) -> list[str]:
    """A sentence for each reason to fail."""
    found = run.results()
    outcome = run.outcome
    reasons = []
    if outcome is None or outcome.lost is None:
        reasons.append("The platform did not tell the outcome of its orders.")
    for name, text in (("lost", "accepted and then not found"), ("doubled", "found and never placed")):
        if found[name]:
            reasons.append(f"{found[name]} orders were {text}.")
    if found["not_final"] and not is_interrupted:
        reasons.append(f"{found['not_final']} accepted orders were not final after {run.plan.settle_s:g} s.")
    rate = 100 * found["failed"] / found["sent"] if found["sent"] else 0.0
    if rate > max_errors:
        reasons.append(f"{rate:.1f} % of the requests failed; {max_errors:g} % may (--max-errors).")
    return reasons


def parser() -> Parser:
    made = Parser(prog="manage.py load", description=purpose)
    made.add_argument("what", choices=["orders"], help="orders: customers place orders of one product")
    made.add_argument("--per-s", type=number(MOST_PER_S), default=10.0, help="orders per second (10)")
    made.add_argument("--minutes", type=number(MOST_MINUTES), default=1.0, help="duration (1)")
    made.add_argument("--gateway", type=address, default=conf.gateway_url(), metavar="URL")
    made.add_argument("--report", type=new_file, metavar="FILE.html", help="write a page with charts")
    made.add_argument("--json", action="store_true", help="print the figures as one JSON object, too")
    made.add_argument("--max-errors", type=number(100, least=0), default=1.0, metavar="PERCENT",
                      help="exit code 1 above this share of failed requests (1)")  # fmt: skip
    made.add_argument("--connections", type=whole(MOST_CONNECTIONS), help="as many requests at once as this")
    made.add_argument("--timeout-s", type=number(600), default=10.0, help="of one request (10)")
    made.add_argument("--settle-s", type=number(3600), default=60.0, help="wait for final orders (60)")
    return made


def number(most: float, *, least: float | None = None) -> Callable[[str], float]:
    """A reader of numbers up to ``most``: from ``least``, or above 0 without it."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (0 if least is None else least) <= value <= most or (least is None and value == 0):
            lower = "above 0" if least is None else f"from {least:g}"
            raise argparse.ArgumentTypeError(f"{text!r} is no number {lower} and up to {most:g}")
        return value

    return read


def whole(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {most}")
        return int(text)

    return read


def address(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise argparse.ArgumentTypeError(f"{text!r} is no address such as http://127.0.0.1:8000")
    return text


def new_file(text: str) -> Path:
    path = Path(text)
    # The end of a run would be too late to find out.
    if path.is_dir() or not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: is its folder there, and yours?")
    return path


def _give_up(text: str) -> int:
    print(text, file=sys.stderr)
    return 1
