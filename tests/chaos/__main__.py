"""``python -m tests.chaos [minutes=N] [seed=N] [per_s=N] [broker=embedded]``: run, check, report.

Without ``minutes`` it is the short run: one round of the quick faults in about half a minute. The
last line is one JSON object. The exit code is 0 only when every invariant held.

``broker=embedded`` runs without RabbitMQ, even where RabbitMQ is installed.

``sabotage=yes`` shows that the checker can fail. This short run has no faults except duplicates,
and orders publishes without its outbox and receives without its inbox.
"""

import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from atoll import conf
from atoll.dev.process import Spec
from atoll.testing import rabbitmq
from tests.chaos import settling, versions
from tests.chaos.inside_project import run_inside
from tests.chaos.journal import Journal
from tests.chaos.nemesis import Nemesis
from tests.chaos.schedule import Fault, plan
from tests.chaos.shoppers import Crowd
from tests.chaos.system import System, prepare_environment
from tests.chaos.wire import Mirror

SHORT_RUN_S = 28.0
SABOTAGED_RUN_S = 10.0
SABOTAGED = {"orders": "outbox", "orders-bus": "inbox"}
SABOTAGED_DEADLINE_S, SHORT_DEADLINE_S, LONG_DEADLINE_S = 8, 20, 60
ANSWER_WITHIN_S = 60.0
READY_WITHIN_S = 90.0
SHORT_SETTLE_S, LONG_SETTLE_S = 60.0, 600.0
REPLAYED = 20
EARLY, EARLY_WITHIN_S = 20, 20.0

SERVICES = ("users", "products", "orders", "payments")


def main(arguments: list[str]) -> int:
    options = dict(argument.split("=", 1) for argument in arguments)
    seed = int(options.get("seed") or random.randrange(1_000_000))
    minutes = float(options.get("minutes") or 0)
    sabotaged = options.get("sabotage") == "yes"
    installed = rabbitmq.program("rabbitmq-server") is not None
    if not installed:
        print("RabbitMQ is not installed here: this run is on the embedded broker, with less chaos.")
        if conf.flag("ATOLL_REQUIRE_RABBITMQ"):
            print("FAILED: ATOLL_REQUIRE_RABBITMQ is set.")
            return 1
    with_rabbitmq = installed and options.get("broker") != "embedded"
    per_s = float(options.get("per_s") or 5)
    return run(seed, minutes, per_s=per_s, sabotaged=sabotaged, with_rabbitmq=with_rabbitmq)


def run(seed: int, minutes: float, *, per_s: float, sabotaged: bool, with_rabbitmq: bool) -> int:
    short_run = not minutes
    seconds = minutes * 60 or (SABOTAGED_RUN_S if sabotaged else SHORT_RUN_S)
    home = conf.root() / ".atoll" / ("chaos-sabotaged" if sabotaged else "chaos")
    print(
        f"seed={seed}: the same again with `make chaos {f'minutes={minutes:g} ' * bool(minutes)}seed={seed}`"
    )
    deadline_s = (SABOTAGED_DEADLINE_S if sabotaged else SHORT_DEADLINE_S) if short_run else LONG_DEADLINE_S
    prepare_environment(home, {"ORDER_DEADLINE_S": str(deadline_s)})
    system = System(home, with_rabbitmq=with_rabbitmq, say=say)
    try:
        begun = time.monotonic()
        system.start_engines()
        mirror = watch_the_wire(system)
        system.start_platform(sabotage if sabotaged else versions.arranged)
        early = publish_before_the_first_start(system)
        system.start_late()
        say(f"The platform is ready after {time.monotonic() - begun:.1f} s.")
        journal = Journal(home / "journal.jsonl")
        note_run(journal, system, seed=seed, minutes=seconds / 60, sabotaged=sabotaged)
        journal.write("first_start", messages=early)
        faults = plan(seed, seconds, rabbitmq=system.node is not None, short_run=short_run)
        if sabotaged:
            faults = [Fault(at_s, "duplicate", "", 0.0, seed) for at_s in (4.0, 6.0, 8.0)]
        misbehave(system, journal, mirror, faults, seed, seconds, per_s=per_s, short_run=short_run)
        return check(journal.path)
    finally:
        system.close()


def publish_before_the_first_start(system: System) -> int:
    """Publish events for a service that has never run. Returns when the senders' outbox is empty, or later.

    The checker demands their deliveries like those of any other message.
    """
    done = run_inside("payments", "announce", str(EARLY))
    if done.returncode:
        raise SystemExit(done.stderr)
    deadline = time.monotonic() + EARLY_WITHIN_S
    while settling.unpublished(system, "payments") and time.monotonic() < deadline:
        time.sleep(0.1)
    say(
        f"{EARLY} messages for a service that has never run; {settling.unpublished(system, 'payments')} held."
    )
    return EARLY


def note_run(journal: Journal, system: System, *, seed: int, minutes: float, sabotaged: bool) -> None:
    journal.write(
        "run",
        seed=seed,
        minutes=round(minutes, 2),
        services={conf.project(name).service: name for name in SERVICES},
        databases={name: system.superuser_url(conf.project(name).database) for name in SERVICES},
        amqp_port=system.node.port if system.node else None,
        wire=str(journal.path.with_name("wire.jsonl")) if system.node else None,
        engines=settling.versions(system),
    )
    with ThreadPoolExecutor() as pool:
        said = pool.map(lambda name: run_inside(name, "handlers").stdout, SERVICES)
    for name, handlers in zip(SERVICES, said, strict=True):
        journal.write("subscriptions", project=name, handlers=json.loads(handlers))
    if not sabotaged:
        journal.write("subscriptions", project=versions.PROJECT, handlers=versions.subscriptions())
    journal.write("stock", on_hand=settling.stock(system))


def sabotage(spec: Spec) -> Spec:
    """Return the same process, started with one of its safeguards removed."""
    if spec.name not in SABOTAGED:
        return spec
    argv = (sys.executable, "-m", "tests.chaos.sabotage", SABOTAGED[spec.name], *spec.argv)
    return replace(
        spec, argv=argv, python=False, env=dict(spec.env) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )


def watch_the_wire(system: System) -> Mirror | None:
    if system.node is None:
        return None
    services = [conf.project(name).service for name in SERVICES]
    mirror = Mirror(system.node.port, system.home / "wire.jsonl", services)
    mirror.start()
    return mirror


def misbehave(
    system: System,
    journal: Journal,
    mirror: Mirror | None,
    faults: list[Fault],
    seed: int,
    seconds: float,
    *,
    per_s: float,
    short_run: bool,
) -> None:
    journal.write("schedule", faults=[vars(fault) for fault in faults])
    say(f"{len(faults)} faults in {seconds:.0f} s:")
    crowd = Crowd(conf.gateway_url(), settling.wanted_products(system), journal, seed, size=8, per_s=per_s)
    crowd.start(seconds)
    nemesis = Nemesis(system, journal, mirror, say)
    nemesis.run(faults)
    settling.sleep_until_over(crowd)
    nemesis.stop()
    ready = system.wait_ready(READY_WITHIN_S)
    say("Calm again." if ready else f"Not ready again: {', '.join(system.not_ready())}")
    unanswered = crowd.finish(ANSWER_WITHIN_S)
    say(f"{crowd.accepted} orders accepted, {unanswered} customers without an answer.")
    settle_s = SHORT_SETTLE_S if short_run else LONG_SETTLE_S
    took = settling.settle(system, settle_s)
    settling.replay(system, journal, random.Random(seed), REPLAYED)
    settling.settle(system, settle_s)
    say(f"Settled after {took:.1f} s." if took is not None else f"Not settled within {settle_s:g} s.")
    journal.write("end", faults=dict(nemesis.done) | {"first_start": 1}, ready=ready, settled_after_s=took)
    system.stop_platform()
    if mirror:
        mirror.stop()


def check(journal: Path) -> int:
    """Run the checker in a process of its own and return its verdict."""
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos.check", str(journal)],
        cwd=conf.root(),
        env=dict(os.environ),
        check=False,
    ).returncode


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
