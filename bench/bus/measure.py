"""The measurements, one after the other on one service."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atoll import conf
from atoll.bus.models import Outbox
from bench.bus import ceilings, soak
from bench.bus.load import OpenLoop
from bench.bus.meter import Meter
from bench.bus.processes import Process, until
from bench.bus.service import MARGIN_S, Figures, Service, envelope, percentile

MESSAGES = 20_000
RUNS = 10_000
# A worker has run the first thousand before it says that it is ready.
FEWEST_RUNS = 5000
BACKLOG = 100_000
# The backlog whose speed without new events is measured is a part of the whole one.
ALONE_SHARE = 0.25
LATENCY_PER_S = 200
# The rate of new events while the worker handles a backlog; low, so that the backlog gets the machine.
NEW_PER_S = 20


@dataclass(frozen=True)
class Bench:
    """``seconds`` of each open loop; ``minutes`` of the soak, which runs only when it is asked for."""

    service: Service
    scale: float
    seconds: float
    minutes: float

    def run(self, only: Sequence[str]) -> Figures:
        """Raises SystemExit when an effect is lost or doubled."""
        figures: Figures = {}
        for name, part in self.parts().items():
            if name in only or (not only and name != "soak"):
                self.service.vacuum()
                found = part()
                print(f"{name}: {json.dumps(found)}", flush=True)
                figures |= found
        figures |= self.service.wrong()
        if figures["lost"] or figures["doubled"]:
            raise SystemExit(f"No figures: {figures['lost']} effects lost, {figures['doubled']} doubled.")
        return figures

    def parts(self) -> dict[str, Callable[[], Figures]]:
        return {
            "ceilings": self.ceilings,
            "relay": self.relay,
            "handlers": self.handlers,
            "latency": self.latency,
            "backlog": lambda: self.backlog("backlog", self.service.publish),
            "queue": lambda: self.backlog("queue", self.service.fill_queue),
            "soak": lambda: soak.soak(self.service, self.minutes, self._scaled(RUNS)),
        }

    def ceilings(self) -> Figures:
        url, prefix = conf.broker_url(), conf.variable("BUS_PREFIX") or ""
        count = self._scaled(MESSAGES)
        body = envelope(1)
        noop = ceilings.celery_noop(url, prefix, self.service.folder, max(5000, count // 2))
        return {
            "pyamqp_pipelined_per_s": round(ceilings.pyamqp_pipelined(url, prefix, body, count)),
            "kombu_confirm_per_s": round(ceilings.kombu_confirm(url, prefix, body, count // 8)),
            "celery_noop_per_s": round(noop.per_s),
            "celery_noop_per_cpu_s": round(noop.per_cpu_s),
        }

    def relay(self) -> Figures:
        numbers = self.service.publish(self._scaled(MESSAGES))
        pending = Outbox.objects.filter(status="pending")
        relay = Process(self.service.folder / "relay.log", ("-m", "bench.bus.relaying"), {})
        with relay as process:
            process.wait_until_ready()
            meter = Meter(self.service.server, process)
            process.go()
            until(lambda: not pending.exists(), timeout_s=MARGIN_S)
            found = meter.per_message("relay", len(numbers))
        with self.service.worker():
            self.service.wait_for(numbers)
        return found

    def handlers(self) -> Figures:
        """Measure a whole worker with a backlog in its queue."""
        numbers = self.service.fill_queue(max(FEWEST_RUNS, self._scaled(RUNS)))
        with self.service.worker() as process:
            meter, before = Meter(self.service.server, process), self.service.handled(numbers)
            self.service.wait_for(numbers)
            return meter.per_message("handler_runs", len(numbers) - before)

    def latency(self) -> Figures:
        with self.service.worker():
            waits, intended = self.service.open_loop(LATENCY_PER_S, self.seconds)
        noop = ceilings.celery_latency(
            conf.broker_url(),
            conf.variable("BUS_PREFIX") or "",
            self.service.folder,
            LATENCY_PER_S,
            self.seconds,
        )
        return {
            "latency_p50_ms": percentile(waits, 0.5),
            "latency_p99_ms": percentile(waits, 0.99),
            "latency_intended_p99_ms": percentile(intended, 0.99),
            "celery_noop_p50_ms": percentile(noop, 0.5),
            "celery_noop_p99_ms": percentile(noop, 0.99),
        }

    def backlog(self, name: str, stock: Callable[[int], range]) -> Figures:
        """New events beside a backlog that ``stock`` makes while no worker runs."""
        with self.service.worker():
            alone, _ = self.service.open_loop(NEW_PER_S, self.seconds)
        count = self._scaled(BACKLOG)
        part = stock(int(count * ALONE_SHARE))
        alone_per_s = self._work_off(part)
        whole = stock(count)
        loop = OpenLoop(self.service.numbers(int(MARGIN_S * 4 * NEW_PER_S)), NEW_PER_S)
        per_s = self._work_off(whole, loop)
        beside, _ = self.service.waits(loop)
        return {
            f"{name}_drain_per_s": round(per_s),
            f"{name}_drain_alone_per_s": round(alone_per_s),
            f"{name}_drain_ratio": round(per_s / alone_per_s, 2),
            f"{name}_p99_alone_ms": percentile(alone, 0.99),
            f"{name}_p99_ms": percentile(beside, 0.99),
            f"{name}_p99_ratio": round(percentile(beside, 0.99) / percentile(alone, 0.99), 2),
        }

    def _work_off(self, numbers: range, beside: OpenLoop | None = None) -> float:
        """Events of the backlog per second of a new worker, until its last effect."""
        self.service.vacuum()
        with self.service.worker():
            begun, before = time.perf_counter(), self.service.handled(numbers)
            news = threading.Thread(target=beside.run) if beside else None
            if news:
                news.start()
            self.service.wait_for(numbers)
            took_s = time.perf_counter() - begun
            if beside and news:
                beside.stop()
                news.join()
                self.service.waits(beside)
        return (len(numbers) - before) / took_s

    def _scaled(self, count: int) -> int:
        return int(count * self.scale)
