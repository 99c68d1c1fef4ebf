"""Builds the components of the edge, and starts and stops them with the process."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from atoll import tracing
from atoll.discovery.instances import Instance
from atoll.discovery.last_good import LastGood
from atoll.server.identity import instance_id
from gateway.edge.aggregation.declaration import services_of
from gateway.edge.authenticate import Authenticator
from gateway.edge.config import EdgeConfig
from gateway.edge.control_routes import CONSOLE_SERVICE, CONTROL_SERVICE
from gateway.edge.forward import Forwarder
from gateway.edge.health import SERVICE, Check, Health
from gateway.edge.http.door import Door
from gateway.edge.identity.trust import Trust
from gateway.edge.limits.limiter import Limiter
from gateway.edge.limits.rules import LimitTable
from gateway.edge.metrics import Metrics
from gateway.edge.request_log import RequestLog
from gateway.edge.resp import Store
from gateway.edge.routes.routing import Table
from gateway.edge.routes.tables import Tables
from gateway.edge.tracing import RequestTraces
from gateway.edge.upstream.directory import Directory
from gateway.edge.upstream.discovery import Discovery
from gateway.edge.upstream.dispatch import Dispatcher
from gateway.edge.upstream.fetch import Fetcher
from gateway.edge.upstream.followed_names import FollowedNames
from gateway.edge.upstream.health_checks import HealthChecks, Tell
from gateway.edge.upstream.pool import Pool

KEYS_SERVICE = "user-service"
KEYS_PATH = "/.well-known/jwks.json"
REVOCATIONS_PATH = "/.well-known/revocations.json"
KEYS_TIMEOUT_S = 5.0
ALWAYS_WATCHED = frozenset({KEYS_SERVICE})


@dataclass(frozen=True)
class Place:
    """The edge process ``number`` (from 1) ``of`` so many of one gateway."""

    number: int = 1
    of: int = 1


class Components:
    """Needs a running event loop."""

    def __init__(
        self,
        config: EdgeConfig,
        request_log: RequestLog,
        clock: Callable[[], float] | None = None,
        place: Place | None = None,
        tell_health: Tell | None = None,
    ) -> None:
        """``clock`` gives seconds to breakers and retry budgets. It is the loop's unless given.

        ``tell_health`` gets what the first process finds in its health checks.
        """
        place = place or Place()
        loop = asyncio.get_running_loop()
        self.config = config
        self.request_log = request_log
        self.traces = RequestTraces(tracing.recorder())
        self.pool = Pool(loop)
        self.directory = Directory(self.pool, clock or loop.time, place.of)
        dispatcher = Dispatcher(self.pool, loop)
        self.door = Door(config.limits, loop, config.trusted_proxies)
        self.forwarder = Forwarder(dispatcher)
        self.fetcher = Fetcher(self.directory, dispatcher)
        self.health_checks = HealthChecks(self.directory, tell=tell_health, follows=place.number > 1)
        self.names = FollowedNames(self.directory, LastGood(config.home / "gateway" / "names"))
        self.discovery = Discovery(
            self.directory,
            self.fetcher,
            LastGood(config.home / "gateway" / "discovery"),
            registry_url=config.registry_url,
            credential=config.registry_credential,
            names=self.names,
        )
        self.authenticator = Authenticator(
            self._fetch_keys,
            self._fetch_revocations,
            keep=config.home / "gateway" / "jwks.json",
            trust=Trust(config.issuer_rules, config.home / "gateway" / "issuers"),
        )
        self.store = Store(loop, config.redis_url)
        self.limiter = Limiter(self.store)
        self.limits = LimitTable()
        self.tables = Tables(config.snapshot_path, self._use)
        self.metrics = Metrics(self.directory, self.names, self._gauges())
        self.health = Health(self._checks(), instance_id(SERVICE))
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.door.start()
        self.tables.start()
        if self.config.control_url:
            self.directory.update(CONTROL_SERVICE, [Instance.from_url(self.config.control_url)])
            self.directory.update(CONSOLE_SERVICE, [Instance.from_url(self.config.registry_url)])
        self.discovery.watch(ALWAYS_WATCHED)
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self.limiter.keep_connected()))
        self._tasks.append(loop.create_task(self.authenticator.keep_fresh()))
        self._tasks.append(loop.create_task(self.limiter.keep_reporting()))
        self.request_log.start()

    async def stop(self) -> None:
        self.discovery.stop()
        self.health_checks.stop()
        self.limiter.report()
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(self.request_log.stop)
        self.door.stop()
        self.store.close()
        self.pool.close()

    def _use(self, table: Table) -> None:
        self.limits = LimitTable(table.snapshot.routes, table.snapshot.limits)
        self.directory.configure(table.snapshot.services)
        self.discovery.watch(table.services | services_of(table.snapshot.aggregates))
        self.health_checks.watch()
        self.authenticator.use(table.snapshot.issuers, table.snapshot.consumers)

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
            Check("limits", False, lambda: None if self.limiter.shares else "limits are counted per process"),
            Check("services", False, self._missing_services),
            Check("issuers", False, self._issuers_without_keys),
        ]

    def _missing_services(self) -> str | None:
        table = self.tables.current
        missing = sorted(
            name for name in (table.services if table else ()) if not self.directory.upstream(name).endpoints
        )
        return f"no instance of {', '.join(missing)}" if missing else None

    def _issuers_without_keys(self) -> str | None:
        missing = self.authenticator.trust.without_keys()
        return f"the keys of {', '.join(missing)} could not be fetched yet" if missing else None

    def _gauges(self) -> dict[str, Any]:
        return {
            "gateway_routing_table_version": ("Published table in use", lambda: self.tables.version),
            "gateway_limit_fallbacks": ("Limits counted without the store", lambda: self.limiter.fallbacks),
            "gateway_log_sampled_out": ("Requests not kept: sampled", lambda: self.request_log.sampled_out),
            "gateway_log_dropped": ("Requests not kept: no room", lambda: self.request_log.dropped),
            "gateway_bad_tokens_unchecked": (
                "Requests with a bad token that were refused without a check",
                lambda: self.authenticator.bad_tokens.refused,
            ),
            "gateway_connections": ("Connections of clients", lambda: len(self.door.connections)),
            "gateway_connections_refused": ("Connections refused", lambda: self.door.refused),
            "gateway_tls_handshakes": ("TLS handshakes done", lambda: self.door.handshakes.done),
            "gateway_tls_handshakes_failed": (
                "TLS handshakes that clients broke off or did not end in time",
                lambda: self.door.handshakes.failed,
            ),
            "gateway_tls_handshakes_refused": (
                "Connections refused before their TLS handshake",
                lambda: self.door.handshakes.refused,
            ),
        }
