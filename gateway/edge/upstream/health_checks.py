"""Active health checks: asks each endpoint of a service for a page, takes it out and brings it back.

Each check has a connection of its own, so it also proves that the instance accepts new ones. One process of
a gateway checks for all (docs/decisions/0101). An endpoint that was never checked counts as healthy.
"""

import asyncio
import logging
import random
import re
from collections.abc import Callable, Iterable

from gateway.edge.upstream.directory import Directory, Endpoint, Upstream
from gateway.edge.upstream.pool import Origin
from gateway.edge.upstream.settings import HealthCheck

log = logging.getLogger(__name__)

STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
LONGEST_LINE_BYTES = 4096
SILENT_ROUNDS = 3

Tell = Callable[[str, list[str]], None]


class HealthChecks:
    """One task for each service that has a path for them. Needs a running event loop.

    One process of a gateway checks and calls ``tell`` with a service and the ids of its unhealthy instances
    after each round; `hear` gives it to the others, which ``follow``. One that has heard nothing for
    `SILENT_ROUNDS` intervals checks for itself.
    """

    def __init__(self, directory: Directory, *, tell: Tell | None = None, follows: bool = False) -> None:
        self._directory = directory
        self._tell = tell
        self._follows = follows
        self._running: dict[str, tuple[HealthCheck, asyncio.Task[None]]] = {}
        self._heard: dict[str, frozenset[str]] = {}
        self._heard_at: dict[str, float] = {}

    def watch(self) -> None:
        """Follow the settings of the directory. Call it after they have changed."""
        wanted = self._directory.health_checks()
        loop = asyncio.get_running_loop()
        for service, (health, task) in list(self._running.items()):
            if wanted.get(service) != health:
                task.cancel()
                del self._running[service]
                self._forget(service)
        for service in wanted.keys() - self._running.keys():
            health = wanted[service]
            self._heard_at[service] = loop.time()
            checking = self._check_always(self._directory.upstream(service), health)
            self._running[service] = (health, loop.create_task(checking))

    def stop(self) -> None:
        for _, task in self._running.values():
            task.cancel()

    def hear(self, service: str, unhealthy: Iterable[str]) -> None:
        """What the checking process has found. It hears its own predecessor, and goes on from there."""
        if service not in self._running:
            return
        out = frozenset(unhealthy)
        self._heard[service] = out
        self._heard_at[service] = asyncio.get_running_loop().time()
        if self._follows:
            upstream = self._directory.upstream(service)
            for endpoint in upstream.endpoints:
                endpoint.healthy, endpoint.streak = endpoint.id not in out, 0
            upstream.all_well = False

    def _forget(self, service: str) -> None:
        self._heard.pop(service, None)
        for endpoint in self._directory.upstream(service).endpoints:
            endpoint.healthy, endpoint.streak = True, 0

    async def _check_always(self, upstream: Upstream, health: HealthCheck) -> None:
        """The pause varies by a tenth, so that gateways do not all ask at one moment."""
        while True:
            if not self._follows or self._is_left_alone(upstream.name, health):
                self._go_on_from_what_was_heard(upstream)
                await asyncio.gather(*(self._check(upstream, one, health) for one in upstream.endpoints))
                if self._tell is not None and not self._follows:
                    self._tell(upstream.name, [one.id for one in upstream.endpoints if not one.healthy])
            await asyncio.sleep(health.interval_s * random.uniform(0.9, 1.1))  # noqa: S311

    def _is_left_alone(self, service: str, health: HealthCheck) -> bool:
        silent_s = asyncio.get_running_loop().time() - self._heard_at[service]
        return silent_s > SILENT_ROUNDS * health.interval_s + health.timeout_s

    def _go_on_from_what_was_heard(self, upstream: Upstream) -> None:
        """An instance that was out stays out until good checks of this process bring it back."""
        out = self._heard.pop(upstream.name, frozenset())
        for endpoint in upstream.endpoints:
            # The news may arrive after the first checks. Good ones in a row count more.
            if endpoint.streak <= 0 and endpoint.id in out:
                endpoint.healthy = upstream.all_well = False

    async def _check(self, upstream: Upstream, endpoint: Endpoint, health: HealthCheck) -> None:
        problem = await ask(endpoint.origin, health)
        # The number of good checks in a row, or below 0 of failed ones.
        endpoint.streak = max(endpoint.streak, 0) + 1 if problem is None else min(endpoint.streak, 0) - 1
        if endpoint.healthy and endpoint.streak <= -health.unhealthy_after:
            endpoint.healthy = upstream.all_well = False
            log.warning("instance %s of %s is unhealthy: %s", endpoint.id, upstream.name, problem)
        elif not endpoint.healthy and endpoint.streak >= health.healthy_after:
            endpoint.healthy = True
            log.info("instance %s of %s is healthy again", endpoint.id, upstream.name)


async def ask(origin: Origin, health: HealthCheck) -> str | None:
    """One check. The problem, or None for an answer of 200 to 399 in time."""
    try:
        async with asyncio.timeout(health.timeout_s):
            line = await _status_line(origin, health.path)
    except (OSError, EOFError, ValueError) as error:  # a time-out is an OSError
        return str(error) or type(error).__name__
    except asyncio.LimitOverrunError:
        return "its answer is not HTTP"
    status = STATUS_LINE.match(line)
    if status is None:
        return "its answer is not HTTP"
    return None if 200 <= int(status[1]) < 400 else f"it answered {int(status[1])}"


async def _status_line(origin: Origin, path: str) -> bytes:
    reader, writer = await asyncio.open_connection(
        origin.host,
        origin.port,
        ssl=origin.tls,
        server_hostname=origin.name if origin.tls else None,
        limit=LONGEST_LINE_BYTES,
    )
    try:
        writer.write(
            b"GET %b HTTP/1.1\r\nhost: %b\r\nx-service-name: api-gateway\r\nconnection: close\r\n\r\n"
            % (path.encode(), origin.authority)
        )
        return await reader.readuntil(b"\r\n")
    finally:
        writer.transport.abort()
