"""What operators set for a service: published under ``services``, with defaults for all other services."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

STRATEGIES = ("two-choices", "round-robin", "random", "least-connections")
NEVER, AFTER_DELAY, AFTER_P95 = HEDGES = ("never", "delay", "p95")
NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
HEALTH_PATH = re.compile(r"(/[A-Za-z0-9_.~-]*)+")
URL = re.compile(r"https?://([A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])(:\d{1,5})?")
MOST_IN_FLIGHT = 100_000
MOST_CHECKS = 20
SHORTEST_S, LONGEST_S = 0.1, 3600.0
SHORTEST_MS, LONGEST_MS = 1.0, 60_000.0


class InvalidService(ValueError):
    """The text names the service and the change that it needs."""


@dataclass(frozen=True)
class HealthCheck:
    """``GET path`` at each endpoint every ``interval_s``. An empty path means no checks.

    ``unhealthy_after`` failed checks in a row take an endpoint out, ``healthy_after`` good ones bring it
    back. An answer of 200 to 399 within ``timeout_s`` is good.
    """

    path: str = ""
    interval_s: float = 10.0
    timeout_s: float = 2.0
    unhealthy_after: int = 3
    healthy_after: int = 2


@dataclass(frozen=True)
class Hedge:
    """When a request that is safe to repeat is sent to a second endpoint, too.

    ``after``: ``never``, after ``delay_ms``, or after the time in which 95 of 100 such requests are answered
    (``p95``).
    """

    after: str = NEVER
    delay_ms: float = 100.0


@dataclass(frozen=True)
class ServiceSettings:
    """``url`` replaces the registry: ``http[s]://name[:port]``, each address of the name is an endpoint.

    ``max_in_flight`` bounds the requests that one gateway has running at the service; its processes share it.
    """

    name: str
    strategy: str = STRATEGIES[0]
    url: str = ""
    max_in_flight: int = 400
    health: HealthCheck = field(default_factory=HealthCheck)
    hedge: Hedge = field(default_factory=Hedge)


def read(rows: Any) -> dict[str, ServiceSettings]:
    """The ``services`` of a published document. None means none, as in older documents.

    Raises InvalidService.
    """
    found: dict[str, ServiceSettings] = {}
    for row in rows or ():
        settings = _settings(row)
        check(settings)
        if settings.name in found:
            raise InvalidService(f"Two services are called '{settings.name}'.")
        found[settings.name] = settings
    return found


def _settings(row: Any) -> ServiceSettings:
    try:
        health = dict(row.get("health") or {})
        hedge = dict(row.get("hedge") or {})
        return ServiceSettings(
            name=str(row["name"]),
            strategy=str(row.get("strategy", ServiceSettings.strategy)),
            url=str(row.get("url", "")),
            max_in_flight=int(row.get("max_in_flight", ServiceSettings.max_in_flight)),
            health=HealthCheck(
                path=str(health.get("path", "")),
                interval_s=float(health.get("interval_s", HealthCheck.interval_s)),
                timeout_s=float(health.get("timeout_s", HealthCheck.timeout_s)),
                unhealthy_after=int(health.get("unhealthy_after", HealthCheck.unhealthy_after)),
                healthy_after=int(health.get("healthy_after", HealthCheck.healthy_after)),
            ),
            hedge=Hedge(
                after=str(hedge.get("after", Hedge.after)),
                delay_ms=float(hedge.get("delay_ms", Hedge.delay_ms)),
            ),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidService(f"A service of the table cannot be read: {error!r}.") from error


def check(settings: ServiceSettings) -> None:
    """Raises InvalidService."""
    problem = _problem(settings) or _health_problem(settings.health) or _hedge_problem(settings.hedge)
    if problem:
        raise InvalidService(f"Service '{settings.name}': {problem}")


def _problem(settings: ServiceSettings) -> str | None:
    if not NAME.fullmatch(settings.name):
        return "its name must be lower-case letters, digits and hyphens."
    if settings.strategy not in STRATEGIES:
        return f"the strategy must be one of {', '.join(STRATEGIES)}."
    if settings.url and not _is_url(settings.url):
        return f"the URL {settings.url!r} must look like http://name or https://name:8443, without a path."
    if not 1 <= settings.max_in_flight <= MOST_IN_FLIGHT:
        return f"between 1 and {MOST_IN_FLIGHT} requests may be in flight."
    return None


def _is_url(url: str) -> bool:
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return URL.fullmatch(url) is not None and port != 0


def _health_problem(health: HealthCheck) -> str | None:
    if health.path and not HEALTH_PATH.fullmatch(health.path):
        return f"the path of the health check {health.path!r} must look like /health/ready."
    if not SHORTEST_S <= health.interval_s <= LONGEST_S:
        return f"the interval of the health check must be {SHORTEST_S:g} to {LONGEST_S:g} s."
    if not SHORTEST_S <= health.timeout_s <= health.interval_s:
        return f"the time-out of the health check must be {SHORTEST_S:g} s up to its interval."
    if not (1 <= health.unhealthy_after <= MOST_CHECKS and 1 <= health.healthy_after <= MOST_CHECKS):
        return f"1 to {MOST_CHECKS} checks take an instance out or bring it back."
    return None


def _hedge_problem(hedge: Hedge) -> str | None:
    if hedge.after not in HEDGES:
        return f"a second instance is asked after one of {', '.join(HEDGES)}."
    if not SHORTEST_MS <= hedge.delay_ms <= LONGEST_MS:
        return f"a second instance is asked after {SHORTEST_MS:g} to {LONGEST_MS:g} ms."
    return None
