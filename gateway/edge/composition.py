"""Builds the components of the edge, and starts and stops them with the process."""

import asyncio
from collections.abc import Callable
from typing import Any

from atoll.discovery.last_good import LastGood
from atoll.server.identity import instance_id
from gateway.edge import dashboard
from gateway.edge.authenticate import Authenticator
from gateway.edge.config import EdgeConfig
from gateway.edge.forward import Forwarder
from gateway.edge.health import SERVICE, Check, Health
from gateway.edge.limits import Limiter
from gateway.edge.metrics import Metrics
from gateway.edge.request_log import RequestLog
from gateway.edge.resp import Store
from gateway.edge.routes.routing import Table
from gateway.edge.routes.tables import Tables
from gateway.edge.upstream.directory import Directory
from gateway.edge.upstream.discovery import Discovery
from gateway.edge.upstream.dispatch import Dispatcher
from gateway.edge.upstream.fetch import Fetcher
from gateway.edge.upstream.pool import Pool

KEYS_SERVICE = "user-service"
KEYS_PATH = "/.well-known/jwks.json"
REVOCATIONS_PATH = "/.well-known/revocations.json"
KEYS_TIMEOUT_S = 5.0
ALWAYS_WATCHED = frozenset({KEYS_SERVICE, *dashboard.SERVICES})


class Components:
    """Needs a running event loop."""

    def __init__(
        self, config: EdgeConfig, request_log: RequestLog, clock: Callable[[], float] | None = None
    ) -> None:
        """``clock`` gives seconds to breakers and retry budgets. It is the loop's unless given."""
        loop = asyncio.get_running_loop()
        self.config = config
        self.request_log = request_log
        self.pool = Pool(loop)
        self.directory = Directory(self.pool, clock or loop.time)
        dispatcher = Dispatcher(self.pool, loop)
        self.forwarder = Forwarder(dispatcher, loop)
        self.fetcher = Fetcher(self.directory, dispatcher)
        self.discovery = Discovery(
            self.directory,
            self.fetcher,
            LastGood(config.home / "gateway" / "discovery"),
            registry_url=config.registry_url,
            credential=config.registry_credential,
        )
        self.authenticator = Authenticator(
            self._fetch_keys, self._fetch_revocations, keep=config.home / "gateway" / "jwks.json"
        )
        self.store = Store(loop, config.redis_url)
        self.limiter = Limiter(self.store)
        self.tables = Tables(config.snapshot_path, self._watch_services)
        self.metrics = Metrics(self.directory, self._gauges())
        self.health = Health(self._checks(), instance_id(SERVICE))
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.tables.start()
        self.discovery.watch(ALWAYS_WATCHED)
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self.limiter.keep_connected()))
        self.request_log.start()

    async def stop(self) -> None:
        self.discovery.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(self.request_log.stop)
        self.store.close()
        self.pool.close()

    def _watch_services(self, table: Table) -> None:
        self.discovery.watch(table.services)

    async def _fetch_keys(self) -> Any:
        return await self._ask_users(KEYS_PATH)

    async def _fetch_revocations(self) -> Any:
        return await self._ask_users(REVOCATIONS_PATH)

    async def _ask_users(self, path: str) -> Any:
        reply = await self.fetcher.get(KEYS_SERVICE, path, timeout_s=KEYS_TIMEOUT_S)
        if reply.status != 200:
            raise ValueError(f"{KEYS_SERVICE} answered {reply.status}")
        return reply.json()

    def _checks(self) -> list[Check]:
        return [
            Check(
                "routes", True, lambda: None if self.tables.current else "no routing table has been seen yet"
            ),
            Check(
                "limits", False, lambda: None if self.store.connected else "limits are counted per process"
            ),
            Check("services", False, self._missing_services),
        ]

    def _missing_services(self) -> str | None:
        table = self.tables.current
        missing = sorted(
            name for name in (table.services if table else ()) if not self.directory.upstream(name).endpoints
        )
        return f"no instance of {', '.join(missing)}" if missing else None

    def _gauges(self) -> dict[str, Any]:
        return {
            "gateway_routing_table_version": ("Published table in use", lambda: self.tables.version),
            "gateway_limit_fallbacks": ("Limits counted without the store", lambda: self.limiter.fallbacks),
            "gateway_log_sampled_out": ("Requests not kept: sampled", lambda: self.request_log.sampled_out),
            "gateway_log_dropped": ("Requests not kept: no room", lambda: self.request_log.dropped),
        }
