"""The nemesis: carries out the schedule. One method ``_KIND(fault)`` per kind of fault tells what it did."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
import psycopg2
from pika.exceptions import AMQPError

from atoll import conf
from tests.chaos import poison, registry, wire
from tests.chaos.journal import Journal
from tests.chaos.proxy import DOWN, Proxy
from tests.chaos.schedule import Fault
from tests.chaos.system import System

POLL_S = 0.5
COPIES = 40
# A fault waits this long for a victim that is down.
TRY_FOR_S = 15
ROLLBACKS = 4


class Nemesis:
    """Runs each fault on a thread of its own and ends every temporary fault itself."""

    def __init__(
        self, system: System, journal: Journal, mirror: wire.Mirror | None, say: Callable[[str], None]
    ) -> None:
        self._system = system
        self._journal = journal
        self._mirror = mirror
        self._say = say
        self._stopping = threading.Event()
        self._under_way: list[threading.Thread] = []
        self.done: Counter[str] = Counter()

    def run(self, faults: list[Fault]) -> None:
        """Run until the last fault has begun."""
        begun = time.monotonic()
        for fault in faults:
            if self._stopping.wait(max(0.0, begun + fault.at_s - time.monotonic())):
                return
            thread = threading.Thread(target=self._one, args=(fault,), daemon=True)
            thread.start()
            self._under_way.append(thread)

    def stop(self) -> None:
        """End all running faults. Returns when no fault of the nemesis is active."""
        self._stopping.set()
        for thread in self._under_way:
            thread.join(60)
        for proxy in self._system.proxies.values():
            self._system.call(lambda proxy=proxy: proxy.restore(cut=True))  # type: ignore[misc]

    def _one(self, fault: Fault) -> None:
        deadline = time.monotonic() + TRY_FOR_S
        while True:
            try:
                did = getattr(self, f"_{fault.kind}")(fault)
            except (psutil.Error, psycopg2.Error, AMQPError, OSError, subprocess.SubprocessError) as error:
                # The victim is down already.
                did = None
                self._say(f"    {fault.kind} {fault.target}: {type(error).__name__}")
            if did is not None or time.monotonic() > deadline or self._stopping.wait(1):
                break
        if did is not None:
            self.done[fault.kind] += 1
            self._say(f"  {fault.at_s:7.1f} s  {fault.kind} {fault.target} {did}".rstrip())
        self._journal.write("fault", **vars(fault), did=did)

    def _kill(self, name: str) -> str | None:
        process = self._system.process(name)
        if process is None:
            return None
        process.kill()
        return ""

    def _kill_bus(self, fault: Fault) -> str | None:
        return self._kill(fault.target)

    _kill_worker = _kill_web = _kill_gateway = _kill_registry = _kill_bus

    def _kill_worker_child(self, fault: Fault) -> str | None:
        process = self._system.process(fault.target)
        children = process.children() if process else []
        if not children:
            return None
        random.Random(fault.seed).choice(children).kill()
        return ""

    def _terminate_worker(self, fault: Fault) -> str | None:
        process = self._system.process(fault.target)
        if process is None:
            return None
        process.terminate()
        return ""

    _terminate_web = _terminate_worker

    def _pause_worker(self, fault: Fault) -> str | None:
        if not self._system.signal_family(fault.target, signal.SIGSTOP):
            return None
        self._stopping.wait(fault.lasts_s)
        self._system.signal_family(fault.target, signal.SIGCONT)
        return f"for {fault.lasts_s:.1f} s"

    # One of two versions pauses, and the other receives the messages of both.
    _pause_worker_past_its_lease = _two_versions = _pause_worker

    def _engine(self, name: str, signum: signal.Signals) -> str | None:
        process = self._system.process(name)
        if process is None:
            return None
        process.send_signal(signum)
        return ""

    def _broker_kill(self, fault: Fault) -> str | None:
        return self._engine(self._broker, signal.SIGKILL)

    def _broker_restart(self, fault: Fault) -> str | None:
        return self._engine(self._broker, signal.SIGTERM)

    @property
    def _broker(self) -> str:
        return "rabbitmq" if self._system.node else "valkey"

    def _postgres_immediate(self, fault: Fault) -> str | None:
        return self._engine("postgres", signal.SIGQUIT)

    def _postgres_fast(self, fault: Fault) -> str | None:
        return self._engine("postgres", signal.SIGINT)

    def _postgres_kill(self, fault: Fault) -> str | None:
        return self._engine("postgres", signal.SIGKILL)

    def _cache_kill(self, fault: Fault) -> str | None:
        return self._engine("valkey", signal.SIGKILL)

    def _broker_memory_alarm(self, fault: Fault) -> str:
        assert self._system.node
        self._system.node.control("set_vm_memory_high_watermark", "0.000001")
        self._stopping.wait(fault.lasts_s)
        while True:
            with suppress(subprocess.CalledProcessError):
                self._system.node.control("set_vm_memory_high_watermark", "0.4")
                return f"for {fault.lasts_s:.1f} s"
            # A restart of the node has already ended the alarm; a node that is down is asked again.
            time.sleep(POLL_S)

    def _disturb(self, name: str, begin: Callable[[Proxy], None], fault: Fault, *, cut: bool) -> str:
        proxy = self._system.proxies[name]
        self._system.call(lambda: begin(proxy))
        self._stopping.wait(fault.lasts_s)
        self._system.call(lambda: proxy.restore(cut=cut))
        return f"for {fault.lasts_s:.1f} s"

    def _broker_cut(self, fault: Fault) -> str:
        return self._disturb("broker", Proxy.refuse, fault, cut=False)

    def _broker_stall(self, fault: Fault) -> str:
        return self._disturb("broker", Proxy.stall, fault, cut=fault.seed % 2 == 0)

    def _broker_slow(self, fault: Fault) -> str:
        return self._disturb("broker", lambda proxy: proxy.slow(0.15), fault, cut=False)

    def _broker_drop_answers(self, fault: Fault) -> str:
        return self._disturb("broker", lambda proxy: proxy.stall(DOWN), fault, cut=True)

    def _database_refuses(self, fault: Fault) -> str:
        return self._disturb(fault.target, Proxy.refuse, fault, cut=False)

    def _database_cut(self, fault: Fault) -> str:
        return self._disturb(fault.target, Proxy.cut, fault, cut=False)

    def _database_stall(self, fault: Fault) -> str:
        return self._disturb(fault.target, Proxy.stall, fault, cut=fault.seed % 2 == 0)

    def _database_slow(self, fault: Fault) -> str:
        return self._disturb(fault.target, lambda proxy: proxy.slow(0.02), fault, cut=False)

    def _terminate_backends(self, fault: Fault) -> str:
        count = self._sql(
            "postgres",
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s",
            conf.project(fault.target).database,
        )
        return f"{count} sessions"

    def _bindings_deleted(self, fault: Fault) -> str:
        assert self._system.node
        began = time.time()
        count = wire.unbind(self._system.node, f"evt.{conf.project(fault.target).service}")
        self._note_unbound(began, mirror=False)
        return f"{count} bindings"

    def _exchange_deleted(self, fault: Fault) -> str:
        assert self._system.node
        began = time.time()
        wire.delete_events(self._system.node.port)
        # A publisher must meet an error now, and not an exchange without its bindings.
        self._stopping.wait(0.2)
        while True:
            with suppress(AMQPError, OSError):
                wire.bind_mirror(self._system.node.port)
                break
            time.sleep(POLL_S)
        self._note_unbound(began, mirror=True)
        return ""

    def _note_unbound(self, began: float, *, mirror: bool) -> None:
        self._journal.write("unbound", **{"from": began - 1.0, "until": time.time() + 1.0}, mirror=mirror)

    def _bad_credentials(self, fault: Fault) -> str:
        return f"{registry.flood(fault.lasts_s, self._stopping.wait, self._note)} guesses"

    def _everybody_silent(self, fault: Fault) -> str:
        proxy = self._system.proxies["registry"]
        self._system.call(proxy.refuse)
        kept = registry.silence(fault.lasts_s, self._stopping.wait, self._note)
        self._system.call(lambda: proxy.restore(cut=True))
        return f"for {fault.lasts_s:.1f} s, {kept} services kept their lists"

    def _note(self, invariant: str, text: str) -> None:
        self._journal.write("registry", invariant=invariant, text=text)

    def _duplicate(self, fault: Fault) -> str:
        return f"{self._copies(fault, shuffled=False)} messages"

    def _shuffle(self, fault: Fault) -> str:
        return f"{self._copies(fault, shuffled=True)} messages"

    def _copies(self, fault: Fault, *, shuffled: bool) -> int:
        assert self._mirror and self._system.node
        chance = random.Random(fault.seed)
        copies = self._mirror.recent(COPIES, chance)
        if shuffled:
            copies = copies + copies
            chance.shuffle(copies)
        return wire.send_copies(self._system.node.port, copies)

    def _delay(self, fault: Fault) -> str:
        assert self._system.node
        chance = random.Random(fault.seed)
        service = conf.project(fault.target).service
        queue = f"{'evt' if fault.target == 'orders' else 'cmd'}.{service}"
        held = wire.hold_back(self._system.node.port, queue, fault.lasts_s, chance)
        return f"{held} messages for {fault.lasts_s:.1f} s"

    def _announce_again(self, fault: Fault) -> str:
        """Make published outbox rows due again, as after a relay that died before it marked them."""
        count = self._sql(
            conf.project(fault.target).database,
            """WITH again AS (
                 UPDATE atoll_bus_outbox SET status = 'pending', next_attempt_at = now(), published_at = NULL
                 WHERE id IN (SELECT id FROM atoll_bus_outbox WHERE status = 'published'
                              ORDER BY random() LIMIT %s) RETURNING 1)
               SELECT count(*) FROM again""",
            COPIES,
        )
        return f"{count} messages"

    def _poison(self, fault: Fault) -> str:
        assert self._system.node
        chance = random.Random(fault.seed)
        service = conf.project(fault.target).service
        made = [poison.make(sort, fault.target) for sort in chance.sample(poison.SORTS, 6)]
        poisons = [one for one in made if one]
        queue = f"{'cmd' if fault.target in poison.COMMANDS else 'evt'}.{service}"
        for one in poisons:
            # Publish one by one, and write to the journal after the broker's confirm.
            wire.feed(self._system.node.port, queue, [one])
            self._journal.write(
                "poison", project=fault.target, sort=one.sort, token=one.token, expected=one.expected
            )
        return f"{len(poisons)} messages"

    def _rollback(self, fault: Fault) -> str:
        done = inside(fault.target, "rollback", str(ROLLBACKS))
        ids = done.stdout.split()
        if len(ids) < ROLLBACKS:
            raise subprocess.SubprocessError(done.stderr)
        self._journal.write("rolled_back", project=fault.target, ids=ids)
        return f"{len(ids)} messages"

    def _sql(self, database: str, statement: str, parameter: Any) -> int:
        connection = psycopg2.connect(self._system.superuser_url(database), connect_timeout=3)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, [parameter])
                return int(cursor.fetchone()[0])
        finally:
            connection.close()


def inside(project: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``tests.chaos.inside``. A killed process is no error."""
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos.inside", project, *arguments],
        cwd=conf.root(),
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
