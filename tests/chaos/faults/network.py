"""Faults of connections, by the proxies before broker and databases, and of database sessions."""

from collections.abc import Callable

from atoll import conf
from tests.chaos.faults.victims import Faults
from tests.chaos.proxy import DOWN, Proxy
from tests.chaos.schedule import Fault


class NetworkFaults(Faults):
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
