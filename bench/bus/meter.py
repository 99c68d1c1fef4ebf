"""What a process and the engines spend on messages."""

import time

from bench import meters
from bench.bus.processes import Process
from bench.bus.service import Figures
from bench.postgres import Server


class Meter:
    """What a process and the engines spend from its creation on."""

    def __init__(self, server: Server, process: Process) -> None:
        self._server, self._process = server, process
        self._published = meters.published()
        self._counts = server.counts()
        self._postgres_s = meters.cpu_of_tree(server.pid)
        self._process_s = process.cpu_s()
        self._begun = time.perf_counter()

    def per_message(self, name: str, count: int) -> Figures:
        """Rates of ``count`` messages, and the engines' work for each of them."""
        took_s = time.perf_counter() - self._begun
        own_s = self._process.cpu_s() - self._process_s
        postgres_s = meters.cpu_of_tree(self._server.pid) - self._postgres_s
        counts = self._server.counts() - self._counts
        published = meters.published()
        publishes = None if None in (published, self._published) else published - self._published
        return {
            f"{name}_per_s": round(count / took_s),
            f"{name}_per_cpu_s": round(count / own_s),
            f"{name}_per_cpu_s_with_postgres": round(count / (own_s + postgres_s)),
            f"{name}_statements": round(counts.statements / count, 2),
            f"{name}_commits": round(counts.commits / count, 2),
            f"{name}_wal_kb": round(counts.wal_bytes / 1000 / count, 2),
            f"{name}_publishes": None if publishes is None else round(publishes / count, 2),
        }
