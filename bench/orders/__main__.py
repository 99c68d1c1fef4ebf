"""The cost of an order, the orders confirmed per second, and the time from acceptance to confirmation.

    make bench-orders                        on each broker: ``embedded``, ``rabbitmq`` if one answers
    make bench-orders traces=off             without spans
    make bench-orders traces=compare         with and without spans, in turn, with ratios
    make bench-orders against=c8c4065        and the same of that revision, in turn, with ratios
    python -m bench.orders --quick --only rabbitmq

Each measurement starts a platform with empty data on a PostgreSQL of its own; the load generator
shares its cores. Part one: SHOPPERS connections order for LOAD_S seconds, each as soon as its last
order is answered. Part two: an open loop at LATENCY_PER_S orders/s. Keys of the JSON object on the last
line, for each broker:

``confirmed_per_s``: of part one, from the first acceptance to the last confirmation.
``cpu_ms_per_order``: processor time of part one, of all processes of the platform and of the engines,
the load generator left out; ``cpu_ms_by_process`` gives its parts.
``statements_per_order``, ``commits_per_order``, ``wal_kb_per_order``: counted by PostgreSQL in part one.
``publishes_per_order``: counted by the RabbitMQ node, so nothing else may publish there; null without it.
``p50_ms``, ``p99_ms``: from acceptance to confirmation in part two, by the clock of the orders service,
at most 1 % too long. ``latency_rate_per_s`` is the rate.
``lost``: accepted orders that were not confirmed. ``doubled``: orders that nobody placed, and pieces that
left the stock without a confirmed order.

With a revision ``against`` has its figures and ``ratios`` ours divided by its. With ``traces=compare``
``without_traces`` has the figures of ours without spans, and ``ratios_of_traces`` ours with divided by ours
without. Medians over ROUNDS rounds.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from atoll import conf
from bench import ending, postgres
from bench.checkout import UnknownRevision, checked_out
from bench.orders.measure import Figures, measure
from bench.orders.subject import PREFIX, brokers, subject

ROUNDS = 2
RATIOS = (
    "confirmed_per_s", "cpu_ms_per_order", "statements_per_order", "commits_per_order", "wal_kb_per_order",
    "publishes_per_order", "p50_ms", "p99_ms",
)  # fmt: skip
WITHOUT = "without traces"
SUMS = ("lost", "doubled", "accepted", "refused")


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.orders")
    parser.add_argument("seconds", nargs="?", type=float, default=20.0, help="of each part (20)")
    parser.add_argument("--quick", action="store_true", help="parts of 8 seconds, one round; rough figures")
    parser.add_argument("--only", choices=sorted(brokers()), help="one broker")
    parser.add_argument(
        "--traces", choices=("on", "off", "compare"), default="on", help="whether spans are recorded (on)"
    )
    parser.add_argument("--against", metavar="REVISION", help="measure that commit, too, in turn")
    parser.add_argument("--rounds", type=int, help=f"of each measurement ({ROUNDS} where two are compared)")
    found = parser.parse_args(argv)
    found.seconds = min(found.seconds, 8.0) if found.quick else found.seconds
    compares = found.against or found.traces == "compare"
    found.rounds = found.rounds or (ROUNDS if compares and not found.quick else 1)
    return found


def main(argv: list[str]) -> int:
    ending.exit_on_sigterm()
    chosen = arguments(argv)
    try:
        with places(chosen.against) as roots:
            measured = [
                (broker, name, one(broker, name, root, chosen.seconds, traces=traces))
                for broker in ([chosen.only] if chosen.only else sorted(brokers(), reverse=True))
                for _ in range(chosen.rounds)
                for name, root, traces in variants(roots, chosen.traces)
            ]
    except UnknownRevision as unknown:
        print(unknown, file=sys.stderr)
        return 2
    ours = combined(measured, "ours")
    figures = dict(ours)
    if chosen.against:
        theirs = combined(measured, "against")
        figures |= {"against": {"revision": chosen.against} | theirs, "ratios": ratios(ours, theirs)}
    if chosen.traces == "compare":
        without = combined(measured, WITHOUT)
        figures |= {"without_traces": without, "ratios_of_traces": ratios(ours, without)}
    print(json.dumps(figures))
    return 0


@contextmanager
def places(against: str | None) -> Iterator[dict[str, Path]]:
    """The folders of the code to measure, in turn: ``ours``, and ``against`` a revision."""
    with ExitStack() as stack:
        roots = {"ours": conf.root()}
        if against:
            roots["against"] = stack.enter_context(checked_out(against))
        yield roots


def variants(roots: dict[str, Path], traces: str) -> Iterator[tuple[str, Path, str]]:
    """The measurements of a round: their names, their code, and whether spans are recorded."""
    for name, root in roots.items():
        yield name, root, "off" if traces == "off" else "on"
    if traces == "compare":
        yield WITHOUT, roots["ours"], "off"


def one(broker: str, name: str, root: Path, seconds: float, *, traces: str = "on") -> Figures:
    with postgres.running(PREFIX) as server:
        found = measure(subject(broker, root, server, traces=traces), server, seconds)
    print(f"{broker}, {name}: {json.dumps(found)}", flush=True)
    return found


def combined(measured: list[tuple[str, str, Figures]], name: str) -> dict[str, Any]:
    """The figures of each broker over all rounds of ``name``."""
    found: dict[str, Any] = {}
    for broker in dict.fromkeys(broker for broker, _, _ in measured):
        rounds = [figures for on, of, figures in measured if (on, of) == (broker, name)]
        found[broker] = {key: _over(key, [figures[key] for figures in rounds]) for key in rounds[0]}
    return found


def _over(key: str, values: list[Any]) -> Any:
    """The sum of counts, else the median; of the processor time by process each process's median."""
    if isinstance(values[0], dict):
        names = dict.fromkeys(name for value in values for name in value)
        return {name: _over(name, [value.get(name, 0.0) for value in values]) for name in names}
    if None in values:
        return None
    return sum(values) if key in SUMS else round(statistics.median(values), 2)


def ratios(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        broker: {
            key: round(ours[broker][key] / theirs[broker][key], 3)
            for key in RATIOS
            if ours[broker][key] is not None and theirs[broker][key]
        }
        for broker in ours
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
