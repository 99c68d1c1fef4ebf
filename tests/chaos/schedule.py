"""The schedule of faults. The seed alone determines it before the run."""

import random
from dataclasses import dataclass

# Seconds of calm at the start and before the end.
LEAD_S = 1.0


@dataclass(frozen=True)
class Kind:
    """A kind of fault. ``lasts_s`` bounds a temporary fault; ``targets`` are its possible victims."""

    name: str
    targets: tuple[str, ...] = ("",)
    lasts_s: tuple[float, float] = (0.0, 0.0)
    short_run: bool = True
    needs_rabbitmq: bool = False


@dataclass(frozen=True)
class Fault:
    at_s: float
    kind: str
    target: str
    lasts_s: float
    # The seed of choices at the time of the fault, such as the messages to duplicate.
    seed: int


SERVICES = ("users", "products", "orders", "payments")
BUSES = ("orders-bus",)
WORKERS = ("orders-worker", "products-worker", "payments-worker", "payments-worker-2", "users-worker")
PAUSABLE = ("orders-bus", "products-worker", "payments-worker")

KINDS = (
    Kind("kill_bus", BUSES),
    Kind("kill_worker", WORKERS),
    Kind("kill_worker_child", ("orders-worker",)),
    Kind("kill_web", SERVICES),
    Kind("kill_gateway", ("gateway",)),
    Kind("kill_registry", ("registry",), short_run=False),
    Kind("terminate_worker", (*WORKERS, *BUSES)),
    Kind("terminate_web", SERVICES),
    Kind("pause_worker", PAUSABLE, (2.0, 5.0)),
    Kind("pause_worker_past_its_lease", PAUSABLE, (40.0, 50.0), short_run=False),
    Kind("broker_kill", short_run=False),
    Kind("broker_restart"),
    Kind("broker_cut", lasts_s=(0.0, 3.0)),
    Kind("broker_stall", lasts_s=(1.0, 15.0), short_run=False),
    Kind("broker_slow", lasts_s=(2.0, 6.0), short_run=False),
    Kind("broker_drop_answers", lasts_s=(1.0, 4.0)),
    Kind("broker_memory_alarm", lasts_s=(2.0, 12.0), short_run=False, needs_rabbitmq=True),
    Kind("postgres_immediate"),
    Kind("postgres_fast", short_run=False),
    Kind("postgres_kill", short_run=False),
    Kind("database_refuses", SERVICES, (1.0, 30.0), short_run=False),
    Kind("database_cut", SERVICES),
    Kind("database_stall", SERVICES, (1.0, 5.0), short_run=False),
    Kind("database_slow", SERVICES, (1.0, 5.0), short_run=False),
    Kind("terminate_backends", SERVICES),
    Kind("cache_kill", short_run=False),
    Kind("bad_credentials", lasts_s=(3.0, 8.0)),
    # Longer than every lease.
    Kind("everybody_silent", lasts_s=(65.0, 75.0), short_run=False),
    Kind("two_versions", ("payments-worker", "payments-worker-2"), (2.0, 5.0)),
    Kind("bindings_deleted", ("orders", "payments"), needs_rabbitmq=True),
    Kind("exchange_deleted", needs_rabbitmq=True),
    Kind("duplicate", needs_rabbitmq=True),
    Kind("shuffle", needs_rabbitmq=True),
    Kind("delay", ("orders", "products", "payments"), (0.5, 3.0), needs_rabbitmq=True),
    Kind("announce_again", SERVICES),
    Kind("poison", SERVICES, needs_rabbitmq=True),
    Kind("rollback", ("orders", "users")),
)


def plan(seed: int, seconds: float, *, rabbitmq: bool, short_run: bool) -> list[Fault]:
    """Return rounds of every kind in random order, spread evenly over ``seconds``.

    The same arguments give the same schedule. A short run has one round; a long run has a fault
    about every 6 seconds.
    """
    chance = random.Random(seed)
    kinds = [kind for kind in KINDS if (rabbitmq or not kind.needs_rabbitmq)]
    if short_run:
        kinds = [kind for kind in kinds if kind.short_run]
        count = len(kinds)
    else:
        count = max(len(kinds), int(seconds / 6))
    gap_s = max(0.0, seconds - 2 * LEAD_S) / count
    faults: list[Fault] = []
    while len(faults) < count:
        for kind in chance.sample(kinds, len(kinds)):
            at_s = LEAD_S + gap_s * (len(faults) + chance.random())
            lasts_s = min(chance.uniform(*kind.lasts_s), max(0.0, seconds - at_s))
            target = chance.choice(kind.targets)
            faults.append(Fault(round(at_s, 2), kind.name, target, round(lasts_s, 2), chance.getrandbits(32)))
    return sorted(faults[:count], key=lambda fault: fault.at_s)
