"""Collects the figures of all instances every ten seconds, in one process of the registry.

It is a thread. It writes no lease and answers no call, and a database session's lock chooses the process
that collects when several registries run (docs/decisions/0106).
"""

import logging
import threading
import time
from collections import defaultdict
from datetime import datetime

from django.db import Error, connection

from registry import selectors
from registry.console.figures import store
from registry.console.figures.counts import Counts
from registry.console.figures.exposition import Key, Scrape
from registry.console.figures.scraping import Scraper, Target, may_ask
from registry.failing import store as failing
from registry.models import Instance

log = logging.getLogger(__name__)

EVERY_S = 10.0
FORGET_EVERY_S = 300.0
LOCK = 0x41746F6C6C02
MAX_TARGETS = 500
WORKER_SUFFIX = ".worker"
# The gauge of an instance: requests or runs in a second since the last round.
RATE_NOW = "now "


class Collector:
    def __init__(self, scraper: Scraper | None = None) -> None:
        self._scraper = scraper or Scraper()
        self._known: dict[str, dict[Key, Counts]] = {}
        self._looked_at: datetime | None = None
        self._began_s = 0.0
        self._session: object | None = None
        self._forget_due = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="console-figures", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and its connection. Returns when both are gone."""
        self._stopping.set()
        self._thread.join()

    def step(self) -> bool:
        """Collect once, if this process is the one that collects. Raises errors of the database."""
        if not self._is_chosen():
            self._known, self._looked_at = {}, None
            return False
        targets, now = targets_now()
        began_s, since_last_s = time.monotonic(), time.monotonic() - self._began_s
        counts: dict[tuple[str, str, str], Counts] = defaultdict(Counts)
        gauges: dict[tuple[str, str], float] = {}
        seen: dict[str, dict[Key, Counts]] = {}
        for target, scrape in self._scraper.ask_all(targets):
            if scrape is None:
                # Its next figures are compared with those before the silence.
                if target.instance_id in self._known:
                    seen[target.instance_id] = self._known[target.instance_id]
                continue
            grown = self._growth(target, scrape)
            if target.instance_id in self._known:
                rate = grown.get(("instance", ""), Counts()).count / since_last_s
                gauges[target.service, f"{RATE_NOW}{target.instance_id}"] = rate
            seen[target.instance_id] = dict(scrape.counts)
            for (kind, name), new in grown.items():
                counts[kind, target.service, name or target.instance_id].add(new)
            for (service, name), value in scrape.gauges.items():
                gauges[service or target.service, name] = value
        self._known, self._looked_at, self._began_s = seen, now, began_s
        store.add(counts, gauges)
        if time.monotonic() >= self._forget_due:
            self._forget_due = time.monotonic() + FORGET_EVERY_S
            store.forget_old()
            failing.forget_old()
        return True

    def _growth(self, target: Target, scrape: Scrape) -> dict[Key, Counts]:
        """What was counted since the last round.

        Of an instance that is new to this process everything counts if it registered since then. Else
        its counts are of unknown age and only the beginning.
        """
        before = self._known.get(target.instance_id)
        if before is None:
            if self._looked_at is None or target.registered_at < self._looked_at:
                return {}
            before = {}
        grown = {key: counts.since(before.get(key, Counts())) for key, counts in scrape.counts.items()}
        return {key: counts for key, counts in grown.items() if counts.count or counts.errors}

    def _is_chosen(self) -> bool:
        connection.ensure_connection()
        if self._session is not None and self._session is connection.connection:
            return True
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            [(is_chosen,)] = cursor.fetchall()
        self._session = connection.connection if is_chosen else None
        return bool(is_chosen)

    def _run(self) -> None:
        complaint = ""
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self.step()
                complaint = ""
            except Error as error:
                connection.close()
                if str(error) != complaint:
                    complaint = str(error)
                    log.warning("the figures of the console cannot be written, trying again: %s", error)
            except Exception:
                log.exception("a round of the console's figures failed")
                connection.close()
            self._stopping.wait(max(EVERY_S - (time.monotonic() - began), 1.0))
        self._scraper.close()
        connection.close()


def targets_now() -> tuple[list[Target], datetime]:
    """The live instances that have metrics, at most MAX_TARGETS, and the database's time."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        [(now,)] = cursor.fetchall()
    live = selectors.with_health(Instance.objects.all()).filter(lease__expires_at__gt=selectors.judged_at())
    found = []
    for one in live.order_by("pk")[:MAX_TARGETS]:
        port = one.port or one.metadata.get("metricsPort")
        if may_ask(port):
            service = one.service.name.removesuffix(WORKER_SUFFIX)
            found.append(Target(service, one.instance_id, one.address, port, one.registered_at))
    return found, now
